/** Light, dark, or as the system has it; kept for the next visit. */

const CHOICES = ["auto", "light", "dark"] as const;

class Theme {
  choice = $state<(typeof CHOICES)[number]>("auto");

  constructor() {
    this.#set(CHOICES.find((choice) => choice === stored()) ?? "auto");
  }

  next(): void {
    this.#set(CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length] ?? "auto");
  }

  #set(choice: (typeof CHOICES)[number]): void {
    this.choice = choice;
    document.documentElement.dataset.theme = choice;
    try {
      localStorage.setItem(STORED, choice);
    } catch {
      // A browser that keeps nothing shows the choice as long as the page is open.
    }
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

const STORED = "clearproof.theme";

export const theme = new Theme();
