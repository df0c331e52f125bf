// After a sign-in: remember who it is, and go where the visitor wanted; or to the second step, where the account has one.
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { session } from "@/shared/api/client";
import { selfQuery } from "@/shared/api/self";
import type { LoginReply } from "@/shared/api/types";
import { landing } from "../api/auth";

export function useSignedIn(wanted: string | undefined) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return async (user: LoginReply) => {
    if ("require_2fa" in user) {
      await navigate({ to: "/login", search: { second: "1", ...(wanted ? { redirect: wanted } : {}) } as never, replace: true });
      return;
    }
    session.begin(user.id);
    queries.removeQueries({ queryKey: selfQuery.queryKey });
    await navigate({ href: landing(wanted, user.role), replace: true });
  };
}
