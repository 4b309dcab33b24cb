"""The running worker: app and agents, the flush, start-up checks, health and metrics. The only maker of all of them."""
