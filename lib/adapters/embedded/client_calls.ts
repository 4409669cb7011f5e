/** What a client asks of the broker; faults are planned by these names. */
export type ClientCall =
  | "produce"
  | "initialize"
  | "sendOffsets"
  | "endTransaction"
  | "fetch"
  | "join"
  | "heartbeat"
  | "leave"
  | "committed"
  | "commit"
  | "admin";

/** What goes wrong with one call. */
export type CallFault =
  /** The request never reaches the broker; the client sees a timeout. */
  | { readonly kind: "request-lost" }
  /** The request takes effect, the client sees a timeout. */
  | { readonly kind: "reply-lost" }
  /** The client sees a timeout; the request takes effect later, when {@linkcode CallFaults.hold} lets it land. */
  | { readonly kind: "delayed" }
  /** The broker is known not to have taken the request. */
  | { readonly kind: "refused" };

/** Decides about the fate of calls; part of tests and simulations. */
export interface CallFaults {
  /** The fault of this call, or `null`. */
  decide(call: ClientCall): CallFault | null;
  /** Keeps a delayed request until it may land. */
  hold(call: ClientCall, land: () => void): void;
}
