/**
 * Lets a person hand files to the page: by dropping them on the zone, or by the file input inside it,
 * which the keyboard and a screen reader reach like any other input.
 */
export function dropZone(zone: HTMLElement, input: HTMLInputElement, onFiles: (files: File[]) => void): void {
  let depth = 0;
  const setOver = (over: boolean): void => {
    zone.classList.toggle("over", over);
  };

  zone.addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    setOver(true);
  });
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    if (event.dataTransfer) {
      event.dataTransfer.dropEffect = "copy";
    }
  });
  zone.addEventListener("dragleave", () => {
    depth -= 1;
    setOver(depth > 0);
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    setOver(false);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) {
      onFiles(files);
    }
  });
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = ""; // the same file may be chosen again
    if (files.length > 0) {
      onFiles(files);
    }
  });
}

/** A file dropped beside a zone must not replace the page. */
export function ignoreStrayDrops(): void {
  for (const type of ["dragover", "drop"]) {
    window.addEventListener(type, (event) => {
      event.preventDefault();
    });
  }
}
