// The state of the local peer, in the notice at the top and the button in the corner: whether it answers, is linked to
// others, and has all of their entries.

import { $ } from "./dom.js";
import * as outbox from "./outbox.js";
import { on, state } from "./store.js";

const waiting = () => {
  const count = outbox.waitingCount();
  if (count === 0) return "";
  return count === 1 ? " One message waits in this browser." : ` ${count} messages wait in this browser.`;
};

function describe() {
  if (state.connection === "expired" && !state.me) return ["gone", "Not signed in", ""];
  if (state.connection === "expired") return ["gone", "Not signed in", `This browser is not signed in to your peer. Run “peer open” to sign in.${waiting()}`];
  if (state.connection === "gone") return ["gone", "Not answering", `Your peer does not answer; trying again. You can go on writing: messages are sent as soon as it answers.${waiting()}`];
  if (state.connection === "starting" || !state.mesh) return ["", "Connecting…", ""];
  const { links, behind } = state.mesh;
  if (links === 0) return ["alone", "Alone", "You are alone: no other peer can be reached. What you write is stored on your peer, which sends it when one can be reached."];
  const linked = links === 1 ? "1 peer linked" : `${links.toLocaleString()} peers linked`;
  if (behind.length) return ["behind", `Catching up in ${behind.slice(0, 3).join(", ")}${behind.length > 3 ? "…" : ""}`, ""];
  return ["level", linked, ""];
}

function render() {
  const [mark, short, long] = describe();
  $("mesh").dataset.state = mark;
  $("mesh-text").textContent = short;
  const notice = $("notice");
  if (notice.textContent !== long) notice.textContent = long;
  notice.hidden = long === "";
  notice.classList.toggle("danger", mark === "gone");
}

on("connection mesh outbox", render);
