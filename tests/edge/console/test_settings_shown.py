"""No setting is left out: its effect is a row of test_settings_table, or a test named here shows it, or it is kept without one."""

import ast
import re
from pathlib import Path

from schema.config import IGNORED, VARIABLES
from schema.options import OPTIONS
from tests.edge.console.test_settings_table import TABLE

TESTS = Path(__file__).parents[2]

# Shown with more than a console around them, by a test that sets them: the file names each of them.
SHOWN = {
    "edge/relay/test_rate_limit.py": "ModelRequestRateLimitEnabled ModelRequestRateLimitDurationMinutes ModelRequestRateLimitCount"
    " ModelRequestRateLimitSuccessCount ModelRequestRateLimitGroup ModelTokensPerMinuteLimit ModelTokensPerMinuteGroup",
    "edge/relay/test_upstreams_gone_bad.py": "RetryTimes BalanceExhaustedPolicy AutomaticDisableChannelEnabled STREAMING_TIMEOUT"
    " general_setting.ping_interval_seconds RELAY_TIMEOUT RELAY_FIRST_BYTE_TIMEOUT MAX_REQUEST_BODY_MB",
    "edge/tasks/test_drawing_routes.py": "MjAccountFilterEnabled MjModeClearEnabled MjImageSigned",
    "edge/console/test_task_lists.py": "MjForwardUrlEnabled",
    "edge/relay/test_gates.py": "SensitiveWords",
    "edge/console/logins/test_third_parties.py": "TelegramBotToken WeChatServerAddress WeChatServerToken oidc.client_secret"
    " oidc.well_known OidcAllowPrivate LarkClientSecret",
    "edge/console/test_logins.py": "EmailDomainRestrictionEnabled EmailDomainWhitelist EmailAliasRestrictionEnabled SMTPServer"
    " GitHubClientSecret",
    "edge/console/logins/test_second_step.py": "TwoFactorRequiredForAdmins PasskeyLoginEnabled",
    "workers/test_notify.py": "SMTPPort SMTPFrom SMTPToken WebhookAllowHttp NOTIFY_LIMIT_COUNT",
    "workers/test_channels.py": "ChannelDisableThreshold",
    "workers/test_channel_runs.py": "AutomaticEnableChannelEnabled ChannelTestIntervalMinutes",
    "schema/log_keeping/test_keeping.py": "LogRetentionDays ErrorLogRetentionDays",
    "schema/dialects/providers/test_settings.py": "claude.model_headers_settings gemini.safety_settings",
    "schema/test_picture_size.py": "GET_MEDIA_TOKEN GET_MEDIA_TOKEN_NOT_STREAM",
    "medusa/test_reprice.py": "LogConsumeEnabled LOG_SQL_DSN",
    "edge/realtime/test_realtime.py": "REALTIME_IDLE_TIMEOUT",
    "edge/relay/test_bad_input.py": "REQUEST_HEADER_TIMEOUT REQUEST_BODY_TIMEOUT",
    "crash/test_spool.py": "ADMIT_WITHOUT_REDIS",
    "crash/test_valkey_cluster.py": "JOBS_REDIS_CONN_STRING",
    "edge/test_metrics.py": "METRICS_TOKEN",
    "edge/test_tracing.py": "OTEL_EXPORTER_OTLP_ENDPOINT OTEL_TRACES_SAMPLER_ARG",
    "schema/test_log_lines.py": "LOG_DIR LOG_LEVEL",
    "system.py": "PORT HOST DATA_DIR SQL_DSN SQLITE_PATH REDIS_CONN_STRING LEDGER_PARTITIONS EDGE_WORKERS SESSION_SECRET"
    " HOLD_DEADLINE SHUTDOWN_TIMEOUT",
    "crash/test_shutdown.py": "SHUTDOWN_DELAY_S",
    "edge/console/test_accounts.py": "SETUP_TOKEN",
    "edge/console/test_settings_table.py": "SETUP_USERNAME SETUP_PASSWORD INITIAL_ROOT_TOKEN INITIAL_ROOT_ACCESS_TOKEN",
}  # fmt: skip


# Shown by one test that the table names; it, or what its file prepares for it, says the setting.
SHOWN_BY = {
    "edge/tasks/test_workers.py::test_a_balance_that_falls_below_the_threshold_is_told": "QuotaRemindThreshold",
    "edge/relay/test_hedge.py::test_a_hedged_call_is_served_by_the_first_to_answer_and_charged_once": "HedgeAfterMs HedgeModels"
    " HedgePercent",
    "edge/relay/test_auto_group.py::test_it_stands_for_existing_groups_that_the_account_may_use_in_their_order": "AutoGroups",
    "edge/health/test_pick.py::test_the_faster_of_two": "ChannelChoice",
    "edge/health/test_pick.py::test_the_cheapest_first_and_the_next_one_after_it": "ChannelChoice",
    "edge/health/test_pick.py::test_a_second_attempt_goes_down_or_stays_where_the_operator_says": "RetryTierPolicy",
    "edge/console/payments/test_stripe.py::test_with_a_price_of_stripes_the_order_costs_what_stripe_says": "StripePriceId",
    "schema/log_keeping/test_keeping.py::test_retention_keeps_money_waits_for_the_totals_and_leaves_the_ledger": "LOG_ARCHIVE_DIR",
    "crash/test_cluster.py::test_each_piece_is_killed_and_restarted_under_load": "NODE_NAME",
    "medusa/test_up_refuses.py::test_redis_that_drops_keys": "ALLOW_EVICTION",
    "medusa/test_secrets.py::test_a_new_installation_seals_and_turns": "CRYPTO_SECRET",
    "crash/test_faults.py::test_bad_upstreams_are_left_for_one_that_answers": "RELAY_CONNECT_TIMEOUT",
    "crash/test_faults.py::test_the_disk_for_the_spool_is_full": "SPOOL_MAX_MB",
    "edge/console/security/test_attacks.py::test_failed_calls_are_shown_to_their_owner_alone": "ERROR_LOG_ENABLED",
    "crash/test_tasks_killed.py::test_workers_and_the_edge_are_killed_while_tasks_run": "UPDATE_TASK",
    "schema/test_log_lines.py::test_a_time_zone_is_that_of_log_lines": "TZ",
    "edge/relay/test_outgoing.py::test_files_of_users_come_through_a_proxy_of_their_own": "USER_CONTENT_REQUEST_PROXY",
    "edge/relay/matrix/test_modes.py::test_settings_of_the_environment": "MAX_FILE_DOWNLOAD_MB",
}  # fmt: skip

# Accepted and kept, for the reason given; docs/options.md does not show them.
WITHOUT_EFFECT = {
    "DataExportInterval": "the dashboard's figures are settled with the calls, nothing is flushed by minutes",
    "StopOnSensitiveEnabled": "without effect in the predecessors",
    "StreamCacheQueueLength": "without effect in the predecessors",
    "Theme": "we have one interface",
    "FileUploadPermission": "without effect in the predecessors",
    "FileDownloadPermission": "without effect in the predecessors",
    "ImageUploadPermission": "without effect in the predecessors",
    "ImageDownloadPermission": "without effect in the predecessors",
    "ChatLink": "Chats holds the links of chat clients",
    "MessagePusherAddress": "notices go by mail or webhook",
    "MessagePusherToken": "notices go by mail or webhook",
}


def _fields() -> dict[str, str]:
    return {**{key: spec.field for key, spec in OPTIONS.items()}, **{one.name: one.field for one in VARIABLES}}


def _is_said(name: str, text: str) -> bool:
    """Whether a text has the setting by its name, its field or an alias."""
    aliases = [one for variable in VARIABLES if variable.name == name for one in variable.aliases]
    said = [name, _fields()[name], *aliases]
    return any(re.search(rf"(?<![A-Za-z_]){re.escape(one)}(?![A-Za-z_])", text) for one in said)


def test_rows_name_settings_and_tests_that_are_there():
    assert {row.key for row in TABLE} <= set(_fields())
    for file, names in SHOWN.items():
        text = (TESTS / file).read_text()
        for name in names.split():
            assert _is_said(name, text), (file, name)
    for place, names in SHOWN_BY.items():
        file, _, test = place.partition("::")
        text = _seen_by(TESTS / file, test)
        for name in names.split():
            assert _is_said(name, text), (place, name)
    assert not IGNORED & set(_fields())


def _seen_by(file: Path, test: str) -> str:
    """A test with the fixtures and values of its file, without the other tests."""
    text = file.read_text()
    found = [
        node for node in ast.parse(text).body if not getattr(node, "name", "").startswith("test_") or node.name == test
    ]
    assert test in [getattr(node, "name", "") for node in found], f"{file} has no {test}"
    return "\n".join(ast.get_source_segment(text, node) or "" for node in found)


def test_every_setting_is_in_the_table():
    """Shown here, shown elsewhere, or kept without effect for a reason. Nothing is both."""
    shown = {row.key for row in TABLE} | {
        name for names in [*SHOWN.values(), *SHOWN_BY.values()] for name in names.split()
    }
    hidden = {key for key, spec in OPTIONS.items() if spec.hidden}
    assert set(WITHOUT_EFFECT) == hidden
    assert sorted(set(_fields()) - shown - hidden) == []
    assert not shown & hidden
