// After a sign-in: remember who it is, and go where the visitor wanted.
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { session } from "@/shared/api/client";
import { selfQuery } from "@/shared/api/self";
import { landing } from "../api/auth";

export function useSignedIn(wanted: string | undefined) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return async (user: { id?: number; role?: number }) => {
    session.begin(user.id ?? 0);
    queries.removeQueries({ queryKey: selfQuery.queryKey });
    await navigate({ href: landing(wanted, user.role ?? 0), replace: true });
  };
}
