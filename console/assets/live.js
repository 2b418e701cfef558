// Follows the changes of the log, and brings the parts of the page that may have changed up to date.

const REFRESH_EVERY_MS = 400;
const body = document.body;
const status = document.getElementById("live");
const about = body.dataset.liveAbout;
let source;
let due;
let busy = false;
let after = body.dataset.liveAfter;

function concerns(event) {
  return !about || event.data.includes(about);
}

async function refresh() {
  due = undefined;
  if (busy) return plan();
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    // A visitor who is not signed in any more is led to where that is done.
    if (answer.redirected) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      // What somebody is using stays as it is.
      if (fresh && !part.contains(document.activeElement) && fresh.innerHTML !== part.dataset.shown) {
        part.dataset.shown = fresh.innerHTML;
        part.replaceChildren(...fresh.childNodes);
        part.dispatchEvent(new CustomEvent("stockbook:replaced", { bubbles: true }));
      }
    }
  } finally {
    busy = false;
  }
}

function plan() {
  due ??= setTimeout(refresh, REFRESH_EVERY_MS);
}

function follow() {
  source = new EventSource(`/live?after=${encodeURIComponent(after)}`);
  source.onopen = () => { status.textContent = body.dataset.liveOn; };
  source.onerror = () => { status.textContent = body.dataset.liveOff; };
  source.onmessage = (event) => {
    if (event.lastEventId) after = event.lastEventId;
    if (concerns(event)) plan();
  };
}

// A page that nobody sees follows nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = undefined;
  } else if (!source) {
    follow();
    plan();
  }
});
if (!document.hidden) follow();
