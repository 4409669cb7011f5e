import type { S3Encryption, S3Options } from "./s3_options.ts";

const FORM = /^s3:\/\/([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const PARAMETERS = ["endpoint", "region", "pathStyle", "encryption", "kmsKeyId"] as const;

/**
 * Reads `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`: also with `pathStyle=true|false`, `encryption=AES256|aws:kms` and
 * `kmsKeyId=ID`. Credentials have no place in it, as locations are logged.
 *
 * @param location What the user wrote.
 * @throws {TypeError} when it is of another form.
 */
export function parseLocation(location: string): S3Options {
  const found = FORM.exec(location);
  const [, bucket = "", prefix = "", query = ""] = found ?? [];
  // What stands before an '@' may be a secret, so that the location is not told.
  if (bucket.includes("@")) {
    throw new TypeError(
      "Cannot open 'checkpoints' as an S3 location must not hold credentials: leave them to the environment " +
        "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE) or pass s3BlobStore({ credentials })",
    );
  }
  if (found === null) {
    throw wrong("it must be 's3://BUCKET/PREFIX', such as 's3://my-bucket/orders?region=eu-central-1'", location);
  }
  const parameters = parametersOf(query, location);
  const pathStyle = parameters.get("pathStyle");
  if (pathStyle !== undefined && pathStyle !== "true" && pathStyle !== "false") {
    throw wrong("'pathStyle' must be true or false", location);
  }
  const [endpoint, region, encryption] = [
    parameters.get("endpoint"),
    parameters.get("region"),
    encryptionOf(parameters, location),
  ];
  return {
    bucket,
    prefix,
    ...endpoint === undefined ? {} : { endpoint },
    ...region === undefined ? {} : { region },
    ...pathStyle === undefined ? {} : { isPathStyle: pathStyle === "true" },
    ...encryption === undefined ? {} : { encryption },
  };
}

function parametersOf(query: string, location: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!(PARAMETERS as readonly string[]).includes(name)) {
      throw wrong(`its parameters must be of ${PARAMETERS.join(", ")}`, location);
    }
    if (parameters.has(name)) throw wrong(`'${name}' must be there once`, location);
    parameters.set(name, value);
  }
  return parameters;
}

function encryptionOf(parameters: ReadonlyMap<string, string>, location: string): S3Encryption | undefined {
  const [type, keyId] = [parameters.get("encryption"), parameters.get("kmsKeyId")];
  if (keyId !== undefined && type !== "aws:kms") throw wrong("'kmsKeyId' needs encryption=aws:kms", location);
  if (type === undefined) return undefined;
  if (type === "AES256") return { type };
  if (type === "aws:kms") return keyId === undefined ? { type } : { type, keyId };
  throw wrong("'encryption' must be AES256 or aws:kms", location);
}

function wrong(rule: string, location: string): TypeError {
  return new TypeError(`Cannot open 'checkpoints' as ${rule}: current value is '${location}'`);
}
