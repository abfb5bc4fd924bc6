/** Pages by the address's hash: it works from a disk, and never asks a server. */

export const PAGES = ["report", "records", "overview", "models", "training", "break", "verify-all", "live"] as const;

export type Page = (typeof PAGES)[number];

class Router {
  page = $state<Page>("report");
  /** What follows the page's name: a record's key, a file's number. */
  id = $state("");

  constructor() {
    window.addEventListener("hashchange", () => {
      this.#read();
    });
    this.#read();
  }

  go(page: Page, id = ""): void {
    location.hash = href(page, id);
  }

  #read(): void {
    const [page, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
    this.page = PAGES.find((known) => known === page) ?? "report";
    this.id = decoded(rest.join("/"));
  }
}

export const router = new Router();

export function href(page: Page, id = ""): string {
  return id === "" ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
