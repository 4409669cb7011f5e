import { fileLocation } from "../../base/file_location.ts";
import type { Adapter } from "../../seams/adapter.ts";
import { FileBlobStore } from "./file_blob_store.ts";

/** Blob stores (checkpoints) of `file:PATH`: objects as files below a directory. */
export const fileBlobs: Adapter = Object.freeze<Adapter>({
  scheme: "file",
  blobs: (location) => new FileBlobStore(fileLocation(location, "checkpoints")),
});
