// The time slider of an item: each step is an event, and shows the item as it was after it.

const WAIT_MS = 60;
let asked = 0;

function start() {
  const slider = document.getElementById("slider");
  if (!slider) return;
  const positions = slider.dataset.positions.split(" ");
  slider.closest(".slider").hidden = false;
  let timer;
  slider.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(positions[slider.value]), WAIT_MS);
  });
}

async function show(position) {
  const url = new URL(location.href);
  url.searchParams.set("at", position);
  const mine = ++asked;
  const answer = await fetch(url, { headers: { accept: "text/html" } });
  // A later step overtook this one.
  if (mine !== asked || !answer.ok) return;
  // A visitor who is not signed in any more is led to where that is done.
  if (answer.redirected) return location.assign(url);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-moment]")) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    part.replaceChildren(...fresh.childNodes);
    part.dispatchEvent(new CustomEvent("stockbook:replaced", { bubbles: true }));
  }
  history.replaceState(null, "", url);
  const field = document.getElementById("at");
  if (field) field.value = position;
}

start();
