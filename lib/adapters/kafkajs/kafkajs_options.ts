import type { KafkaOauthSasl, KafkaOptions, KafkaPasswordSasl } from "../kafka/kafka_options.ts";

/** Credentials of AWS IAM. */
export interface KafkajsAwsSasl {
  /** Always `aws`. */
  mechanism: "aws";
  /** Unique id of the user or role. */
  authorizationIdentity: string;
  /** Access key. */
  accessKeyId: string;
  /** Secret key. */
  secretAccessKey: string;
  /** Token of a session. @default {undefined} */
  sessionToken?: string;
}

/** How the client proves who it is. */
export type KafkajsSasl = KafkaPasswordSasl | KafkaOauthSasl | KafkajsAwsSasl;

/** Options of {@linkcode kafkajsBroker}. */
export interface KafkajsOptions extends Omit<KafkaOptions, "sasl"> {
  /** SASL: PLAIN, SCRAM, OAUTHBEARER, AWS IAM. @default {no authentication} */
  sasl?: KafkajsSasl;
}
