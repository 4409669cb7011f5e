/** Certificates for tests of TLS: an authority of its own, and what it signs. Good for ten years, of no use elsewhere. */

/** A certificate and its private key, both PEM. */
export interface Certified {
  /** Certificate. */
  readonly cert: string;
  /** Private key, PKCS #8. */
  readonly key: string;
}

/** An authority that signs certificates for servers and clients of this machine. */
export class TestAuthority {
  /** The authority's own certificate, PEM: what others have to trust. */
  readonly cert: string;
  readonly #name: string;
  readonly #keys: CryptoKeyPair;

  private constructor(name: string, keys: CryptoKeyPair, cert: string) {
    this.#name = name;
    this.#keys = keys;
    this.cert = cert;
  }

  /** Makes an authority. */
  static async create(name = "Turbine test authority"): Promise<TestAuthority> {
    const keys = await newKeys();
    const der = await certificate({ issuer: name, subject: name, signer: keys, holder: keys, names: null });
    return new TestAuthority(name, keys, pem("CERTIFICATE", der));
  }

  /**
   * Makes a certificate for a server or a client.
   *
   * @param subject Its common name.
   * @param names Host names and IPv4 addresses that it is for.
   */
  async certify(subject: string, names: readonly string[] = ["localhost", "127.0.0.1"]): Promise<Certified> {
    const holder = await newKeys();
    const der = await certificate({ issuer: this.#name, subject, signer: this.#keys, holder, names });
    const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", holder.privateKey));
    return { cert: pem("CERTIFICATE", der), key: pem("PRIVATE KEY", key) };
  }
}

const YEAR_MS = 365 * 86_400_000;

async function newKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
}

async function certificate(wish: {
  readonly issuer: string;
  readonly subject: string;
  readonly signer: CryptoKeyPair;
  readonly holder: CryptoKeyPair;
  /** `null` for an authority. */
  readonly names: readonly string[] | null;
}): Promise<Uint8Array> {
  const algorithm = sequence(objectId("1.2.840.10045.4.3.2"));
  const serial = crypto.getRandomValues(new Uint8Array(12));
  const body = sequence(
    der(0xa0, integer(new Uint8Array([2]))),
    integer(serial),
    algorithm,
    commonName(wish.issuer),
    sequence(time(Date.now() - 86_400_000), time(Date.now() + 10 * YEAR_MS)),
    commonName(wish.subject),
    new Uint8Array(await crypto.subtle.exportKey("spki", wish.holder.publicKey)),
    der(0xa3, sequence(...extensions(wish.names))),
  );
  const raw = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, wish.signer.privateKey, body);
  const half = raw.byteLength / 2;
  const signature = sequence(integer(new Uint8Array(raw, 0, half)), integer(new Uint8Array(raw, half)));
  return sequence(body, algorithm, der(0x03, new Uint8Array([0]), signature));
}

function extensions(names: readonly string[] | null): Uint8Array[] {
  const bits = (unused: number, byte: number) => der(0x03, new Uint8Array([unused, byte]));
  if (names === null) {
    return [
      extension("2.5.29.19", sequence(der(0x01, new Uint8Array([255])))),
      extension("2.5.29.15", bits(1, 0b0000_0110)),
    ];
  }
  const purposes = sequence(objectId("1.3.6.1.5.5.7.3.1"), objectId("1.3.6.1.5.5.7.3.2"));
  return [
    extension("2.5.29.15", bits(7, 0b1000_0000)),
    extension("2.5.29.37", purposes),
    extension("2.5.29.17", sequence(...names.map(generalName))),
  ];
}

function generalName(name: string): Uint8Array<ArrayBuffer> {
  const numbers = /^\d+(\.\d+){3}$/.test(name) ? name.split(".").map(Number) : null;
  return numbers === null ? der(0x82, text(name)) : der(0x87, new Uint8Array(numbers));
}

function extension(id: string, value: Uint8Array): Uint8Array {
  return sequence(objectId(id), der(0x01, new Uint8Array([255])), der(0x04, value));
}

function commonName(name: string): Uint8Array {
  return sequence(der(0x31, sequence(objectId("2.5.4.3"), der(0x0c, text(name)))));
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** GeneralizedTime. */
function time(wallMs: number): Uint8Array {
  return der(0x18, text(new Date(wallMs).toISOString().replace(/[-:T]|\.\d+/g, "")));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return der(0x30, ...parts);
}

/** A non-negative number of any length. */
function integer(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const rest = bytes.subarray(at);
  return rest[0]! > 127 ? der(0x02, new Uint8Array([0]), rest) : der(0x02, rest);
}

function objectId(dotted: string): Uint8Array {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const bytes = [first! * 40 + second!];
  for (const number of rest) {
    const digits = [number & 127];
    for (let left = number >>> 7; left > 0; left >>>= 7) digits.unshift(left & 127 | 128);
    bytes.push(...digits);
  }
  return der(0x06, new Uint8Array(bytes));
}

/** Tag, length and content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  const head = size < 128 ? [tag, size] : size < 256 ? [tag, 0x81, size] : [tag, 0x82, size >> 8, size & 255];
  const bytes = new Uint8Array(head.length + size);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!;
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
