/** The listeners of a test Kafka that want TLS or authentication, beside the plaintext one. */
import { TestAuthority } from "../../testing/lanes/certificates.ts";
import type { KafkaSecurity } from "../../testing/lanes/kafka_security.ts";
import { readText } from "./service.ts";

/** Distance of each listener's port from the plaintext one. */
const PORTS = { saslPlaintext: 200, saslSsl: 300, ssl: 400 } as const;

const USERS = { alice: "alice-secret", bob: "bob=secret with blanks" } as const;

/** How long a session lives where the lane looks at authentication that is done again, in milliseconds. */
const SESSION_MS = 2_000;

/**
 * Makes certificates and writes down how to reach the listeners of the first node; what is there is left alone.
 *
 * @param directory Where the files go.
 * @param basePort The first node's plaintext port.
 */
export async function prepareSecurity(directory: string, basePort: number): Promise<void> {
  if (await readText(`${directory}/security.json`) !== undefined) return;
  const authority = await TestAuthority.create();
  const [broker, client] = [await authority.certify("broker"), await authority.certify("client")];
  await Deno.writeTextFile(`${directory}/ca.pem`, authority.cert);
  await Deno.writeTextFile(`${directory}/broker.pem`, broker.key + broker.cert + authority.cert);
  const security: KafkaSecurity = {
    plaintext: `127.0.0.1:${basePort}`,
    saslPlaintext: `127.0.0.1:${basePort + PORTS.saslPlaintext}`,
    saslSsl: `127.0.0.1:${basePort + PORTS.saslSsl}`,
    ssl: `127.0.0.1:${basePort + PORTS.ssl}`,
    ca: authority.cert,
    client,
    users: USERS,
    sessionMs: SESSION_MS,
  };
  await Deno.writeTextFile(`${directory}/security.json`, JSON.stringify(security, null, 2));
}

/** Listeners of a node, as they stand in `listeners` behind the others. */
export function secureListeners(port: number): string {
  const { saslPlaintext, saslSsl, ssl } = PORTS;
  return `,SASL_PLAINTEXT://127.0.0.1:${port + saslPlaintext},SASL_SSL://127.0.0.1:${port + saslSsl},SSL://127.0.0.1:${
    port + ssl
  }`;
}

/**
 * Settings of these listeners: SASL_PLAINTEXT takes no tokens, SASL_SSL asks no certificate of clients, SSL does. Who has no rule in his way may do
 * everything; the plaintext listener's clients may also set rules.
 *
 * @param directory Where the files of {@linkcode prepareSecurity} are.
 */
export function secureProperties(directory: string): string {
  const users = Object.entries(USERS).map(([name, password]) => `user_${name}="${password}"`).join(" ");
  const modules = "org.apache.kafka.common.security";
  const listener = (name: string, mechanisms: string) =>
    `listener.name.${name}.sasl.enabled.mechanisms=${mechanisms}
listener.name.${name}.plain.sasl.jaas.config=${modules}.plain.PlainLoginModule required ${users};
listener.name.${name}.scram-sha-256.sasl.jaas.config=${modules}.scram.ScramLoginModule required;
listener.name.${name}.scram-sha-512.sasl.jaas.config=${modules}.scram.ScramLoginModule required;
listener.name.${name}.oauthbearer.sasl.jaas.config=${modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
listener.name.${name}.scram-sha-256.connections.max.reauth.ms=${SESSION_MS}
listener.name.${name}.oauthbearer.connections.max.reauth.ms=${SESSION_MS}
`;
  const passwords = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512";
  return `${listener("sasl_plaintext", passwords)}${
    listener("sasl_ssl", `${passwords},OAUTHBEARER`)
  }ssl.keystore.type=PEM
ssl.keystore.location=${directory}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=${directory}/ca.pem
listener.name.ssl.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
`;
}

/** Arguments that make the users known to SCRAM when a node's storage is formatted. */
export function scramUsers(): string[] {
  return Object.entries(USERS).flatMap(([name, password]) =>
    ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((
      mechanism,
    ) => ["--add-scram", `${mechanism}=[name="${name}",iterations=4096,password="${password}"]`])
  );
}
