/** Where the recordings of archives stand, by the names that a table gives them: some bytes for each of millions. */
import { basename } from 'node:path';
import { memberReference } from '../audio/audio-reference.ts';
import { hashOf, SeenHashes } from '../seen-hashes.ts';

export interface FoundMember {
  /** Reference to the recording. */
  readonly audio: string;
  /** Where it stands among all that were added. */
  readonly order: number;
}

/**
 * Names without folder and ending are held as hashes: of a million rows without a recording one in ten thousand million finds
 * another one's place, and a member that is not there.
 */
export class MembersByName {
  readonly #seen = new SeenHashes();
  /** Archive, folder and ending of each member, which millions share. */
  readonly #frames: { readonly archive: string; readonly before: string; readonly ending: string }[] = [];
  readonly #frameNumbers = new Map<string, number>();
  #frameOf = new Uint32Array(1024);
  #count = 0;

  /** @param member as it stands in the archive; of two of one name the last counts */
  add(archive: string, member: string): void {
    const stem = stemOf(member);
    const at = member.lastIndexOf(stem);
    const [before, ending] = [member.slice(0, at), member.slice(at + stem.length)];
    const name = `${archive}\0${before}\0${ending}`;
    let frame = this.#frameNumbers.get(name);
    if (frame === undefined) {
      frame = this.#frames.push({ archive, before, ending }) - 1;
      this.#frameNumbers.set(name, frame);
    }
    const place = this.#seen.first(hashOf(stem), this.#count);
    if (place === this.#frameOf.length) {
      const more = new Uint32Array(2 * place);
      more.set(this.#frameOf);
      this.#frameOf = more;
    }
    this.#frameOf[place] = frame;
    if (place === this.#count) this.#count++;
  }

  /** @param stem the name without folder and ending */
  find(stem: string): FoundMember | undefined {
    const order = this.#seen.get(hashOf(stem));
    if (order === undefined) return undefined;
    const { archive, before, ending } = this.#frames[this.#frameOf[order]!]!;
    return { audio: memberReference(archive, `${before}${stem}${ending}`), order };
  }
}

/** The name of a file without folder and ending. */
export const stemOf = (path: string): string => basename(path).replace(/\.\w+$/, '');
