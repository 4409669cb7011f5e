/** Copies of the source tree in which single places are written otherwise. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Edit, editsOf, type Mutant } from "./mutant.ts";

/** What a copy needs to run the simulator and the tests beside the sources. */
const COPIED = ["lib", "testing", "dev", "deno.json", "deno.lock", "mod.ts"] as const;

/**
 * Writes one place of a text otherwise.
 *
 * @param text Text of the file.
 * @param edit What to find and what to put there.
 * @returns The text with the edit.
 * @throws {TypeError} when the place is not there exactly once: the sources have moved on, and the edit has to follow.
 */
export function applyEdit(text: string, edit: Edit): string {
  const places = text.split(edit.find).length - 1;
  if (places !== 1) {
    throw new TypeError(
      `Cannot patch ${edit.file} as its text must stand there exactly once: current value is ${places} times: ` +
        JSON.stringify(edit.find.slice(0, 120)),
    );
  }
  // Not a replacement pattern: '$' stands for itself.
  return text.replace(edit.find, () => edit.replace);
}

/**
 * The files that a mutant changes, with its edits.
 *
 * @param mutant The mutant.
 * @param read Reads a source file by its path from the repository's root.
 * @returns New text by path.
 * @throws {TypeError} when an edit does not fit the sources.
 */
export async function mutatedFiles(
  mutant: Mutant,
  read: (file: string) => Promise<string>,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const edit of editsOf(mutant)) {
    texts.set(edit.file, applyEdit(texts.get(edit.file) ?? await read(edit.file), edit));
  }
  return texts;
}

/** A copy of the source tree; holds one mutant at a time, so that compiled modules of all other files are used again. */
export class PatchedTree implements AsyncDisposable {
  /** Root of the copy. */
  readonly root: string;
  readonly #originals = new Map<string, string>();
  #held: Mutant | null = null;

  private constructor(root: string) {
    this.root = root;
  }

  /**
   * Copies the tree.
   *
   * @param source Root of the repository.
   */
  static async create(source: string): Promise<PatchedTree> {
    const root = await mkdtemp(join(tmpdir(), "turbine-mutants-"));
    for (const name of COPIED) await cp(join(source, name), join(root, name), { recursive: true });
    await symlink(join(source, "node_modules"), join(root, "node_modules"));
    return new PatchedTree(root);
  }

  /** The mutant in the copy. */
  get held(): Mutant | null {
    return this.#held;
  }

  /**
   * Writes a mutant into the copy, in place of the one before.
   *
   * @param mutant The mutant; `null` leaves the copy as the sources were.
   * @throws {TypeError} when an edit does not fit the sources.
   */
  async hold(mutant: Mutant | null): Promise<void> {
    for (const [file, text] of this.#originals) await writeFile(join(this.root, file), text);
    this.#originals.clear();
    this.#held = mutant;
    if (mutant === null) return;
    const texts = await mutatedFiles(mutant, (file) => readFile(join(this.root, file), "utf8"));
    for (const [file, text] of texts) {
      this.#originals.set(file, await readFile(join(this.root, file), "utf8"));
      await writeFile(join(this.root, file), text);
    }
  }

  /** Deletes the copy. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
