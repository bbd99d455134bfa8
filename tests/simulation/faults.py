"""Every kind of fault that a campaign must have injected."""

from __future__ import annotations

from typing import Final

KINDS: Final = frozenset(
    (
        # Processes.
        "node_killed",
        "node_paused",
        # The database and the way to it.
        "database_away",
        "database_failover",
        "database_hangs",
        "cut_from_database",
        "db_commit_late",
        "db_commit_lost",
        "db_commit_slow",
        "db_commit_unheard",
        "db_connection_lost",
        "db_deadlock",
        "db_serialization",
        "db_slow",
        # The journal's disk.
        "disk_full",
        "disk_sync_error",
        "power_cut",
        "torn_tail",
        # The gateway and the way to it.
        "cut_from_gateway",
        "gateway_charges_after_the_second_miss",
        "gateway_charges_later",
        "gateway_connect_timeout",
        "gateway_cut_off",
        "gateway_down",
        "gateway_duplicate",
        "gateway_in_flight",
        "gateway_index_lag",
        "gateway_late_decline",
        "gateway_late_success",
        "gateway_lost_500",
        "gateway_lost_502",
        "gateway_lost_disconnect",
        "gateway_lost_empty",
        "gateway_lost_html",
        "gateway_lost_read_timeout",
        "gateway_lost_request",
        "gateway_lost_reset",
        "gateway_lost_silence",
        "gateway_refused",
        "gateway_slow",
        "look_up_500",
        "look_up_down",
        "look_up_refused",
        "look_up_reset",
        "look_up_silence",
        "look_ups_down",
        "look_ups_down_for_long",
        "reverse_lost_answer",
        "reverse_lost_request",
        "webhook_forged",
        "webhook_late",
        "webhook_lost",
        "webhook_twice",
        # The way to the donors.
        "answer_lost",
        "request_lost",
    )
)
"""A fault that is counted under another name is a mistake, and fails the run."""
