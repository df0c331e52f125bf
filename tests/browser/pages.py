"""Every address of the UI and who may open it."""

PUBLIC = ("/", "/login", "/register", "/reset", "/pricing", "/about")
USER_PAGES = (
    "/console", "/console/tokens", "/console/logs", "/console/topup", "/console/midjourney", "/console/tasks",
    "/console/playground", "/console/personal", "/chat", "/chat/0", "/chat2link?new=1", "/chat2link?id=99",
)  # fmt: skip
ADMIN_PAGES = (
    "/console/health", "/console/health?view=models", "/console/health?view=week", "/console/health?view=history",
    "/console/health/4", "/console/channels", "/console/users", "/console/redemptions",
)  # fmt: skip
ROOT_PAGES = (
    "/console/operations", "/console/operations?tab=audit", "/console/settings", "/console/settings?tab=prices",
)  # fmt: skip
