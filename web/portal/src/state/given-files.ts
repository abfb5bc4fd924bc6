/** Files that a person hands over: chosen, dropped, or a folder with all in it. */

import type { GivenFile } from "../worker/messages.js";

export function chosen(list: FileList | null): GivenFile[] {
  return [...(list ?? [])].map((file) => ({ name: file.webkitRelativePath || file.name, blob: file }));
}

/** Everything that was dropped, folders included. */
export async function dropped(transfer: DataTransfer | null): Promise<GivenFile[]> {
  const entries = [...(transfer?.items ?? [])].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) {
    return chosen(transfer?.files ?? null);
  }
  const found: GivenFile[] = [];
  for (const entry of entries) {
    await collect(entry, found, 0);
  }
  return found;
}

async function collect(entry: FileSystemEntry, found: GivenFile[], depth: number): Promise<void> {
  if (depth > MOST_DEPTH || found.length >= MOST_FILES) {
    return;
  }
  if (entry instanceof FileSystemFileEntry) {
    const file = await new Promise<File>((resolve, reject) => {
      entry.file(resolve, reject);
    });
    found.push({ name: entry.fullPath.replace(/^\//, ""), blob: file });
  } else if (entry instanceof FileSystemDirectoryEntry) {
    const reader = entry.createReader();
    // It gives a part at a time.
    for (;;) {
      const part = await new Promise<FileSystemEntry[]>((resolve, reject) => {
        reader.readEntries(resolve, reject);
      });
      if (part.length === 0) {
        return;
      }
      for (const inner of part) {
        await collect(inner, found, depth + 1);
      }
    }
  }
}

const MOST_DEPTH = 8;
const MOST_FILES = 2001;
