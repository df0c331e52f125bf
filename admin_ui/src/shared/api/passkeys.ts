// Passkeys: the browser's part of making one and of signing in with one. Bytes travel as base64url.
import { fromBase64Url, toBase64Url } from "./base64url";
import { api } from "./client";
import type { User } from "./types";

interface Described {
  id: string;
  type: "public-key";
  transports?: AuthenticatorTransport[];
}
interface CreationOptions extends Omit<PublicKeyCredentialCreationOptions, "challenge" | "user" | "excludeCredentials"> {
  challenge: string;
  user: { id: string; name: string; displayName: string };
  excludeCredentials?: Described[];
}
interface RequestOptions extends Omit<PublicKeyCredentialRequestOptions, "challenge" | "allowCredentials"> {
  challenge: string;
}

export const canUsePasskeys = (): boolean => typeof window.PublicKeyCredential === "function" && window.isSecureContext;

const described = (list: Described[] | undefined) => (list ?? []).map((one) => ({ ...one, id: fromBase64Url(one.id) }));

function textOf(credential: PublicKeyCredential): Record<string, unknown> {
  const { response } = credential;
  const parts: Record<string, unknown> = { clientDataJSON: toBase64Url(response.clientDataJSON) };
  if (response instanceof AuthenticatorAttestationResponse) {
    parts["attestationObject"] = toBase64Url(response.attestationObject);
    parts["transports"] = response.getTransports();
  } else if (response instanceof AuthenticatorAssertionResponse) {
    parts["authenticatorData"] = toBase64Url(response.authenticatorData);
    parts["signature"] = toBase64Url(response.signature);
    if (response.userHandle) parts["userHandle"] = toBase64Url(response.userHandle);
  }
  return { id: credential.id, rawId: toBase64Url(credential.rawId), type: credential.type, response: parts, clientExtensionResults: {} };
}

/** Makes a passkey on this device and gives it to the account. Rejects with a DOMException when the person declines. */
export async function makePasskey(name: string): Promise<void> {
  const options = await api.post<CreationOptions>("/api/user/passkeys/begin");
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: fromBase64Url(options.challenge),
      user: { ...options.user, id: fromBase64Url(options.user.id) },
      excludeCredentials: described(options.excludeCredentials),
    },
  });
  await api.post<null>("/api/user/passkeys", { name, credential: textOf(credential as PublicKeyCredential) });
}

/** Asks the person for any passkey of this site and signs in with it. */
export async function logInWithPasskey(): Promise<User> {
  const options = await api.post<RequestOptions>("/api/user/login/passkey/begin");
  const credential = await navigator.credentials.get({ publicKey: { ...options, challenge: fromBase64Url(options.challenge) } });
  return api.post<User>("/api/user/login/passkey", { credential: textOf(credential as PublicKeyCredential) });
}
