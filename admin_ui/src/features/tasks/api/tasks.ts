// Asynchronous tasks (music, video): all for administrators, their own for users.
import { api, type ListQuery } from "@/shared/api/client";
import type { Task } from "@/shared/api/types";

export const TASKS = ["tasks"] as const;
export const listTasks = (isAdmin: boolean, list: ListQuery, signal: AbortSignal) => api.getPage<Task>(isAdmin ? "/api/task/" : "/api/task/self", "from0", list, signal);
export const percentOf = (progress: string) => Math.min(100, Math.max(0, Number.parseInt(progress, 10) || 0));
