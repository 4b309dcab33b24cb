"""Scenes judged as a whole: a farm is told within two identity periods, a brand's official rooms are permitted."""

from worker.lab.evaluate.scenes import SHARED, WITHIN_MIN, SceneJob, judge_scene
from worker.lab.simulate.scenes import SCENES


def test_every_room_of_a_farm_knows_of_its_address_operator_and_voice_within_two_identity_periods() -> None:
    farm = judge_scene(SceneJob("avatar_farm", 7, 12))
    rooms = {truth.room_id for truth in SCENES["avatar_farm"].truths(7)}
    assert not farm.honest and farm.rooms == len(rooms) == 40 and not farm.permitted
    assert farm.reviews == rooms
    for kind in SHARED["avatar_farm"]:
        assert farm.told_min[kind].keys() == rooms
        assert max(farm.told_min[kind].values()) <= WITHIN_MIN == 10


def test_official_rooms_of_a_brand_are_told_of_permitted_fleets_alone() -> None:
    brand = judge_scene(SceneJob("official_rooms", 7, 12))
    rooms = {truth.room_id for truth in SCENES["official_rooms"].truths(7)}
    assert brand.honest and not brand.told_min
    assert brand.permitted == dict.fromkeys(SHARED["official_rooms"], rooms)
    assert not brand.reviews


def test_strangers_share_neither_address_nor_voice() -> None:
    strangers = judge_scene(SceneJob("strangers", 7, 12))
    assert strangers.honest and not strangers.permitted
    assert strangers.told_min.keys() <= {"script"}, "few words are all that the simulator has"
