import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/print.css";
import { mount } from "svelte";
import Portal from "./Portal.svelte";
import { start } from "./state/app.js";
import { narrowConnections } from "./state/connections.js";
import { LOCALES, language } from "./state/messages.svelte.js";
import { missingFeatures } from "./state/features.js";
import Unsupported from "./Unsupported.svelte";

narrowConnections();
language.locale = LOCALES.find((locale) => locale === new URLSearchParams(location.search).get("lang")) ?? "en";

const target = document.getElementById("app");
if (target === null) {
  throw new Error("index.html has no element app");
}
const missing = missingFeatures();
if (missing.length > 0) {
  target.replaceChildren();
  mount(Unsupported, { target, props: { missing } });
} else {
  try {
    const app = await start();
    target.replaceChildren();
    mount(Portal, { target, props: { app } });
  } catch (error) {
    target.replaceChildren();
    mount(Unsupported, { target, props: { missing: [error instanceof Error ? error.message : String(error)] } });
  }
}
document.documentElement.dataset.ready = "true";
