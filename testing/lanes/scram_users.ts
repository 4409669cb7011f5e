import { pbkdf2Sync, randomBytes } from "node:crypto";
import type { ByteWriter } from "../../lib/adapters/kafka/protocol/byte_writer.ts";
import { sendToBroker } from "./kafka_brokers.ts";
import type { KafkaSecurity } from "./kafka_security.ts";

/** Numbers of the mechanisms in the protocol, and their hashes. */
const MECHANISMS = [[1, "sha256", 32], [2, "sha512", 64]] as const;
const ITERATIONS = 4_096;

/** Makes the users known to SCRAM: a Kafka whose storage is older than its users knows them by PLAIN only. */
export async function writeScramUsers({ plaintext, users }: KafkaSecurity): Promise<void> {
  for (const mechanism of MECHANISMS) {
    for (const [user, password] of Object.entries(users)) await writeUser(plaintext, { user, password, mechanism });
  }
}

async function writeUser(
  address: string,
  credential: { readonly user: string; readonly password: string; readonly mechanism: typeof MECHANISMS[number] },
): Promise<void> {
  const { user, password, mechanism: [mechanism, hash, size] } = credential;
  const salt = randomBytes(24);
  await sendToBroker(address, {
    apiKey: 51,
    version: 0,
    name: "AlterUserScramCredentials",
    isFlexible: true,
    write: (w) => {
      w.compactArray([], () => {});
      w.compactArray([user], () => {
        w.compactString(user).int8(mechanism).int32(ITERATIONS);
        compactBytes(w, salt);
        compactBytes(w, pbkdf2Sync(password, salt, ITERATIONS, size, hash));
        w.noTags();
      });
      w.noTags();
    },
    read: (r) => {
      r.int32();
      r.compactArray(() => {
        const [name, errorCode, message] = [r.compactString(), r.int16(), r.compactString()];
        if (errorCode !== 0) {
          throw new Error(`Cannot make user '${name}' known to SCRAM: code ${errorCode}, ${message}`);
        }
        r.tags();
      });
    },
  });
}

function compactBytes(w: ByteWriter, bytes: Uint8Array): void {
  w.unsignedVarint(bytes.length + 1).raw(bytes);
}
