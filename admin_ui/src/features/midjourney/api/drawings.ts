// Drawings: all for administrators, their own for users. Times on the wire are in milliseconds.
import { api, type ListQuery } from "@/shared/api/client";
import type { Midjourney } from "@/shared/api/types";

export const DRAWINGS = ["drawings"] as const;
export const listDrawings = (isAdmin: boolean, list: ListQuery, signal: AbortSignal) => api.getPage<Midjourney>(isAdmin ? "/api/mj/" : "/api/mj/self", "from0", list, signal);
export const isRunning = (drawing: Midjourney) => !["SUCCESS", "FAILURE", "CANCEL"].includes(drawing.status);
/** "45%" as a number; 0 when it says nothing. */
export const percentOf = (progress: string) => Math.min(100, Math.max(0, Number.parseInt(progress, 10) || 0));
export const ACTIONS = ["IMAGINE", "UPSCALE", "VARIATION", "REROLL", "BLEND", "DESCRIBE", "SHORTEN", "ZOOM", "PAN", "HIGH_VARIATION", "LOW_VARIATION", "MODAL", "INPAINT", "CUSTOM_ZOOM", "UPLOAD", "SWAP_FACE"] as const;
