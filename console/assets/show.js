// Writes numbers and times as the reader does, and moves by keyboard.

const number = new Intl.NumberFormat();
const signed = new Intl.NumberFormat(undefined, { signDisplay: "exceptZero" });
const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function localise(root) {
  for (const data of root.querySelectorAll("data[value]")) {
    const value = Number(data.value);
    if (Number.isSafeInteger(value)) {
      data.textContent = ("signed" in data.dataset ? signed : number).format(value);
    }
  }
  for (const shown of root.querySelectorAll("time[datetime]")) {
    shown.textContent = time.format(new Date(shown.dateTime));
  }
}

localise(document);
document.querySelector("[data-zone]").textContent = time.resolvedOptions().timeZone;
document.addEventListener("stockbook:replaced", (event) => localise(event.target));

// A moment is written in UTC; next to its field stands when that is for the reader.
for (const field of document.querySelectorAll("input[data-utc]")) {
  const said = document.createElement("output");
  said.className = "quiet";
  field.after(said);
  const say = () => {
    const text = field.value.trim().replace(" ", "T");
    const hasZone = !text.includes("T") || /(Z|[+-]\d\d:?\d\d)$/.test(text);
    const moment = /^\d{4}-/.test(text) ? new Date(hasZone ? text : `${text}Z`) : new Date(NaN);
    said.textContent = Number.isNaN(moment.valueOf()) ? "" : time.format(moment);
  };
  field.addEventListener("input", say);
  say();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("find").focus();
  }
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`a[data-key][rel=${rel}]`);
  if (link) {
    event.preventDefault();
    link.click();
  }
});
