// The only place that talks to the server: envelope {success,message,data}, typed errors, the New-Api-User header, paging families.
export type QueryValue = string | number | boolean | null | undefined;
export type Query = Record<string, QueryValue>;

export interface RequestOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

interface Envelope<T> {
  success?: boolean;
  message?: string;
  data?: T;
  code?: string;
  params?: Record<string, unknown>;
  error?: { message?: string; code?: string };
}

/** A refused or failed request. `code` is the server's stable id ("" when it sent none); texts of codes: shared/locales. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number, // HTTP status; 0 = the server was not reached
    readonly code: string,
    readonly params: Record<string, unknown>,
    readonly requestId: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const USER_ID = "medusa.user_id"; // not a secret: the server checks it against the session

export const session = {
  userId: (): number | null => Number(localStorage.getItem(USER_ID)) || null,
  begin: (id: number) => localStorage.setItem(USER_ID, String(id)),
  end: () => localStorage.removeItem(USER_ID),
};

type Listener = (error: ApiError) => void;
const unauthorizedListeners = new Set<Listener>();
/** Called on every 401 of a signed-in visitor. Returns the unsubscribe function. */
export function onUnauthorized(listener: Listener): () => void {
  unauthorizedListeners.add(listener);
  return () => void unauthorizedListeners.delete(listener);
}

export function withQuery(path: string, query: Query | undefined): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export function requestHeaders(hasBody: boolean): Record<string, string> {
  const headers: Record<string, string> = { Accept: "application/json", "Cache-Control": "no-store" };
  const userId = session.userId();
  if (userId !== null) headers["New-Api-User"] = String(userId);
  if (hasBody) headers["Content-Type"] = "application/json";
  return headers;
}

function errorOf(response: Response, envelope: Envelope<unknown>): ApiError {
  const message = envelope.message || envelope.error?.message || response.statusText;
  const requestId = response.headers.get("X-Oneapi-Request-Id") ?? "";
  const code = envelope.code ?? envelope.error?.code ?? (response.status === 429 ? "rate_limited" : "");
  return new ApiError(message, response.status, code, envelope.params ?? {}, requestId);
}

async function send(method: string, path: string, options: RequestOptions): Promise<{ envelope: Envelope<unknown>; response: Response }> {
  const hasBody = options.body !== undefined;
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), {
      method,
      headers: requestHeaders(hasBody),
      credentials: "same-origin",
      ...(hasBody ? { body: JSON.stringify(options.body) } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("network", 0, "network", {}, "");
  }
  const text = await response.text();
  let envelope: Envelope<unknown> = {};
  try {
    envelope = text ? (JSON.parse(text) as Envelope<unknown>) : {};
  } catch {
    throw new ApiError(text.slice(0, 200), response.status, "bad_reply", {}, response.headers.get("X-Oneapi-Request-Id") ?? "");
  }
  if (!response.ok || envelope.success === false || envelope.message === "error") {
    const error = errorOf(response, envelope);
    if (response.status === 401 && session.userId() !== null) for (const listener of unauthorizedListeners) listener(error);
    throw error;
  }
  return { envelope, response };
}

/** Codes by which the server asks for the password again before a sensitive call. */
const REAUTH = /reauth|fresh/;
type Reauthenticate = () => Promise<boolean>;
let reauthenticate: Reauthenticate | null = null;
/** The dialog that asks; true = the caller may try again. Set by the console's frame. */
export function setReauthenticate(ask: Reauthenticate | null): void {
  reauthenticate = ask;
}

async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  try {
    return (await send(method, path, options)).envelope.data as T;
  } catch (error) {
    if (!(error instanceof ApiError && REAUTH.test(error.code)) || path === "/api/user/reauth" || !reauthenticate || !(await reauthenticate())) throw error;
    return (await send(method, path, options)).envelope.data as T;
  }
}

export interface Page<T> {
  items: T[];
  total: number;
  page: number; // counts from 1
  page_size: number;
  total_capped?: boolean; // the real total is larger
}

/** How a list counts its pages on the wire: from 1 with `page_size`, or from 0 with `page_size` / `size`. */
export type PageFamily = "from1" | "from0" | "from0size";

export interface ListQuery {
  page: number; // counts from 1, whatever the wire says
  pageSize: number;
  filters?: Query;
}

async function getPage<T>(path: string, family: PageFamily, list: ListQuery, signal?: AbortSignal): Promise<Page<T>> {
  const paging: Query =
    family === "from1"
      ? { p: list.page, page_size: list.pageSize }
      : { p: list.page - 1, [family === "from0size" ? "size" : "page_size"]: list.pageSize };
  const query = { ...list.filters, ...paging, envelope: 1 };
  const { envelope, response } = await send("GET", path, { query, ...(signal ? { signal } : {}) });
  const data = envelope.data as Page<T> | T[] | null;
  if (data && !Array.isArray(data)) return { ...data, items: data.items ?? [] };
  const items = data ?? [];
  const total = Number(response.headers.get("X-Total-Count") ?? (list.page - 1) * list.pageSize + items.length);
  return { items, total, page: list.page, page_size: list.pageSize };
}

/** For the few replies that are not `{data}`: the whole JSON object. */
async function getRaw<T>(path: string, options: RequestOptions = {}): Promise<T> {
  return (await send("GET", path, options)).envelope as T;
}

async function requestRaw<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  return (await send(method, path, options)).envelope as T;
}

export const api = {
  get: <T>(path: string, options?: RequestOptions) => request<T>("GET", path, options),
  post: <T>(path: string, body?: unknown, options?: RequestOptions) => request<T>("POST", path, { ...options, body: body ?? {} }),
  put: <T>(path: string, body?: unknown, options?: RequestOptions) => request<T>("PUT", path, { ...options, body: body ?? {} }),
  delete: <T>(path: string, options?: RequestOptions) => request<T>("DELETE", path, options),
  getPage,
  getRaw,
  requestRaw,
};
