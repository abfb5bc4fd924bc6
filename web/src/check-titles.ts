/** What each named check asks, in words. A check that is not listed shows its name alone. */
const TITLES: Readonly<Record<string, string>> = {
  "evidence.encoding": "The file is evidence, in its one valid form",
  "bundle.encoding": "The model’s keys and commitments are well formed",
  "bundle.trusted": "The model is one that you pinned",
  "srs.recognised": "The proof system’s public parameters are known",
  "key.bases": "The verifying key belongs to those parameters",
  registration: "The committed model is what its registration says",
  proof: "The decisions follow from the model and the inputs",
  link: "The proof used the committed model and inputs",
  disclosure: "The inputs shown are the committed ones",
  "records.unique": "No input is counted twice",
  "records.metadata": "The times and labels are the proven ones",
};

export function checkTitle(name: string): string | undefined {
  return TITLES[name];
}
