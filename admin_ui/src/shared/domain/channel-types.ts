// The kinds of upstream provider: number on the wire → name; the order of the list is the order of the picker.
export const CHANNEL_TYPES: readonly (readonly [number, string])[] = [
  [1, "OpenAI"], [14, "Anthropic"], [24, "Gemini"], [3, "Azure OpenAI"], [33, "AWS Claude"], [41, "Vertex AI"], [43, "DeepSeek"], [20, "OpenRouter"],
  [48, "xAI"], [42, "Mistral"], [17, "Ali Qwen"], [45, "Volcengine Ark / Doubao"], [25, "Moonshot"], [40, "SiliconCloud"], [34, "Cohere"], [4, "Ollama"],
  [47, "Xinference"], [39, "Cloudflare"], [38, "Jina"], [37, "Dify"], [16, "Zhipu ChatGLM"], [26, "Zhipu GLM-4V"], [15, "Baidu ERNIE"], [46, "Baidu ERNIE V2"],
  [18, "iFlytek Spark"], [23, "Tencent Hunyuan"], [31, "01.AI"], [35, "MiniMax"], [19, "360"], [44, "MokaAI M3E"], [11, "PaLM 2"], [21, "AI Proxy knowledge base"],
  [22, "FastGPT"], [2, "Midjourney Proxy"], [5, "Midjourney Proxy Plus"], [36, "Suno API"], [8, "Custom"],
];
const NAMES = new Map(CHANNEL_TYPES);
export const channelTypeName = (type: number): string => NAMES.get(type) ?? `#${type}`;
const COLORS = ["medusa", "teal", "blue", "grape", "cyan", "orange", "pink", "indigo", "lime"];
export const channelTypeColor = (type: number): string => COLORS[type % COLORS.length]!;
