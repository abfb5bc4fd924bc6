/** The parties of a training, as in the `roster.json` that `clearproof federated provision` writes. */

export interface RosterParty {
  readonly name: string;
  /** Ed25519 public key, in hex. */
  readonly signingKey: string;
  /** X25519 public key, in hex. */
  readonly sealingKey: string;
}

export type Roster = readonly RosterParty[];

/** The roster in a file; undefined if it holds none. */
export function parseRoster(bytes: Uint8Array): Roster | undefined {
  if (bytes.length > MOST_BYTES) {
    return undefined;
  }
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const parties = isObject(value) ? value.parties : undefined;
    return Array.isArray(parties) && parties.length > 0 ? parties.map(partyOf) : undefined;
  } catch {
    return undefined;
  }
}

function partyOf(value: unknown): RosterParty {
  const { name, signing_key: signing, sealing_key: sealing } = isObject(value) ? value : {};
  if (typeof name !== "string" || !isKey(signing) || !isKey(sealing)) {
    throw new TypeError("not a party");
  }
  return { name, signingKey: signing.toLowerCase(), sealingKey: sealing.toLowerCase() };
}

function isKey(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-fA-F]{64}$/.test(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

const MOST_BYTES = 1 << 20;
