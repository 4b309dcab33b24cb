"""One file per archetype. To add one, write its file and put it into the list here."""

from worker.lab.simulate.archetype import Archetype
from worker.lab.simulate.archetypes import (
    avatar_driven,
    avatar_undriven,
    avatar_unregistered,
    avatar_watermark,
    bot_viewers,
    covered_screen,
    deepfake,
    empty,
    founder_avatar,
    kuaishou,
    llm_avatar,
    loop,
    on_break,
    overloaded,
    persona,
    plugin_avatar,
    quiet,
    responsive,
    scripted_human,
    sign_language,
    six_avatars,
    software_seller,
    software_warning,
    tampered,
)

ARCHETYPES: dict[str, Archetype] = {
    archetype.name: archetype
    for archetype in (
        responsive.ARCHETYPE,
        quiet.ARCHETYPE,
        overloaded.ARCHETYPE,
        scripted_human.ARCHETYPE,
        sign_language.ARCHETYPE,
        on_break.ARCHETYPE,
        bot_viewers.ARCHETYPE,
        software_warning.ARCHETYPE,
        avatar_driven.ARCHETYPE,
        founder_avatar.ARCHETYPE,
        six_avatars.ARCHETYPE,
        loop.ARCHETYPE,
        avatar_watermark.ARCHETYPE,
        avatar_unregistered.ARCHETYPE,
        avatar_undriven.ARCHETYPE,
        plugin_avatar.ARCHETYPE,
        deepfake.ARCHETYPE,
        kuaishou.COMPLIANT,
        kuaishou.SMALL,
        kuaishou.BORROWED_SOUND,
        covered_screen.ARCHETYPE,
        llm_avatar.ARCHETYPE,
        software_seller.ARCHETYPE,
        persona.FOREIGN,
        persona.ELITE,
        persona.ATTRACTIVE,
        tampered.ARCHETYPE,
        empty.ARCHETYPE,
    )
}
"""Every archetype, honest ones first."""
