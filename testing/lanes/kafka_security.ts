import type { Certified } from "./certificates.ts";

/** How to reach the listeners of a test Kafka that want TLS or authentication. */
export interface KafkaSecurity {
  /** Its plaintext listener. */
  readonly plaintext: string;
  /** Listener with SASL, not encrypted. */
  readonly saslPlaintext: string;
  /** Listener with SASL in TLS. */
  readonly saslSsl: string;
  /** Listener in TLS that wants a certificate of the client. */
  readonly ssl: string;
  /** Certificate of the brokers' authority, PEM. */
  readonly ca: string;
  /** Certificate of a client. */
  readonly client: Certified;
  /** Passwords by user. */
  readonly users: Readonly<Record<"alice" | "bob", string>>;
  /** How long sessions of SCRAM-SHA-256 and OAUTHBEARER live, in milliseconds. */
  readonly sessionMs: number;
}

/** What `deno task services up kafka` wrote down, if it may be read and is there: TURBINE_TEST_KAFKA_SECURITY names it. */
export function testKafkaSecurity(): KafkaSecurity | undefined {
  const { state } = Deno.permissions.querySync({ name: "env" });
  if (state !== "granted" || Deno.env.get("TURBINE_TEST_KAFKA") === undefined) return undefined;
  const home = Deno.env.get("TURBINE_RUN_HOME") ?? "/tmp/turbine-services";
  try {
    return JSON.parse(
      Deno.readTextFileSync(Deno.env.get("TURBINE_TEST_KAFKA_SECURITY") ?? `${home}/kafka/security.json`),
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
