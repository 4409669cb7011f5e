/**
 * Takes the entries of the next group off a queue: as many as fit, at least one.
 *
 * @param queue Encoded entries, not empty; the group is removed from it.
 * @param bytesMax Bound of the group in bytes.
 */
export function takeGroup(queue: Uint8Array[], bytesMax: number): Uint8Array[] {
  let bytes = 0;
  let count = 0;
  while (count < queue.length && (count === 0 || bytes + queue[count]!.length <= bytesMax)) {
    bytes += queue[count++]!.length;
  }
  return queue.splice(0, count);
}
