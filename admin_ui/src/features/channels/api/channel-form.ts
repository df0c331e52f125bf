// The channel form: which fields a type shows, and how its values become a request.
import { checkJsonObject, splitList } from "@/shared/api/json-text";
import type { Channel } from "@/shared/api/types";
import type { ChannelWrite } from "./channels";

export interface ChannelForm {
  type: number;
  name: string;
  key: string;
  many: boolean; // one channel per line of `key`
  base_url: string;
  other: string;
  openai_organization: string;
  models: string[];
  groups: string[];
  model_mapping: string;
  status_code_mapping: string;
  setting: string;
  param_override: string;
  system_prompt: string;
  remark: string;
  tag: string;
  test_model: string;
  priority: number;
  weight: number;
  auto_ban: boolean;
}

export const EMPTY_FORM: ChannelForm = {
  type: 1, name: "", key: "", many: false, base_url: "", other: "", openai_organization: "", models: [], groups: ["default"], model_mapping: "",
  status_code_mapping: "", setting: "", param_override: "", system_prompt: "", remark: "", tag: "", test_model: "", priority: 0, weight: 0, auto_ban: true,
};

export function formOf(channel: Channel): ChannelForm {
  return {
    type: channel.type,
    name: channel.name,
    key: "",
    many: false,
    base_url: channel.base_url ?? "",
    other: channel.other ?? "",
    openai_organization: channel.openai_organization ?? "",
    models: splitList(channel.models),
    groups: splitList(channel.group),
    model_mapping: channel.model_mapping ?? "",
    status_code_mapping: channel.status_code_mapping ?? "",
    setting: channel.setting ?? "",
    param_override: channel.param_override ?? "",
    system_prompt: channel.system_prompt ?? "",
    remark: channel.remark ?? "",
    tag: channel.tag ?? "",
    test_model: channel.test_model ?? "",
    priority: channel.priority ?? 0,
    weight: channel.weight ?? 0,
    auto_ban: (channel.auto_ban ?? 1) === 1,
  };
}

/** What the address field means for a type; texts: channels.address.<kind>. */
export function addressKind(type: number): "azure" | "full" | "private" | "suno" | "required" | "none" | "optional" {
  if (type === 3) return "azure";
  if (type === 8) return "full";
  if (type === 22) return "private";
  if (type === 36) return "suno";
  if (type === 45) return "none";
  if ([2, 4, 5, 37, 47].includes(type)) return "required";
  return "optional";
}

/** What the field `other` means for a type; texts: channels.other.<kind>. */
export function otherKind(type: number): "api_version" | "model_version" | "region" | "knowledge" | "account" | null {
  return ({ 3: "api_version", 18: "model_version", 41: "region", 21: "knowledge", 39: "account" } as const)[type as 3 | 18 | 41 | 21 | 39] ?? null;
}

/** How a key is written for a type. */
export function keyFormat(type: number): string {
  const formats: Record<number, string> = {
    15: "APIKey|SecretKey", 18: "APPID|APISecret|APIKey", 22: "APIKey-AppId", 23: "AppId|SecretId|SecretKey", 33: "AccessKey|SecretKey|Region",
    41: '{"type": "service_account", "project_id": "…", "private_key": "…"}',
  };
  return formats[type] ?? "sk-…";
}

const MIDJOURNEY = ["mj_imagine", "mj_variation", "mj_reroll", "mj_blend", "mj_upscale", "mj_describe", "mj_upload"];
const MIDJOURNEY_PLUS = ["swap_face", "mj_zoom", "mj_shorten", "mj_modal", "mj_inpaint", "mj_custom_zoom", "mj_high_variation", "mj_low_variation", "mj_pan"];
export function defaultModels(type: number, byType: Record<string, string[]> | undefined): string[] {
  if (type === 2) return MIDJOURNEY;
  if (type === 5) return [...MIDJOURNEY, ...MIDJOURNEY_PLUS];
  if (type === 36) return ["suno_music", "suno_lyrics"];
  return byType?.[String(type)] ?? [];
}

export type FormProblem = "required" | "url" | "url_v1" | "models" | "model_length" | "json" | "groups" | "region_default";

/** Field → what is wrong with it; empty when the form may be sent. */
export function checkForm(form: ChannelForm, creating: boolean): Partial<Record<keyof ChannelForm, FormProblem>> {
  const problems: Partial<Record<keyof ChannelForm, FormProblem>> = {};
  if (!form.name.trim()) problems.name = "required";
  if (creating && !form.key.trim()) problems.key = "required";
  const kind = addressKind(form.type);
  const url = form.base_url.trim();
  if (url && !/^https?:\/\/[^\s]+$/.test(url)) problems.base_url = "url";
  else if (!url && !["optional", "none", "private"].includes(kind)) problems.base_url = "required";
  if (form.models.length === 0) problems.models = "models";
  else if (form.models.some((model) => model.length > 255)) problems.models = "model_length";
  if (form.groups.length === 0) problems.groups = "groups";
  if (form.type === 41) {
    if (!form.other.trim()) problems.other = "required";
    else if (form.other.trim().startsWith("{")) {
      if (checkJsonObject(form.other)) problems.other = "json";
      else if (!("default" in (JSON.parse(form.other) as object))) problems.other = "region_default";
    }
  }
  for (const field of ["model_mapping", "status_code_mapping", "setting", "param_override"] as const) if (checkJsonObject(form[field])) problems[field] = "json";
  return problems;
}

export function writeForm(form: ChannelForm, id: number | undefined): ChannelWrite {
  const key = form.type === 41 ? form.key.trim() : form.many ? form.key : form.key.trim();
  return {
    ...(id === undefined ? {} : { id }),
    type: form.type,
    name: form.name.trim(),
    ...(key || id === undefined ? { key } : {}),
    base_url: form.base_url.trim().replace(/\/$/, ""),
    other: form.type === 18 && !form.other.trim() ? "v2.1" : form.other.trim(),
    openai_organization: form.openai_organization.trim(),
    models: form.models.join(","),
    group: form.groups.join(","),
    model_mapping: form.model_mapping.trim(),
    status_code_mapping: form.status_code_mapping.trim(),
    setting: form.setting.trim(),
    param_override: form.param_override.trim(),
    system_prompt: form.system_prompt.trim(),
    remark: form.remark.trim(),
    tag: form.tag.trim(),
    test_model: form.test_model.trim(),
    priority: form.priority,
    weight: form.weight,
    auto_ban: form.auto_ban ? 1 : 0,
  };
}
