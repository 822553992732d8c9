"use strict";
// The timeline of one recording: what is said of a window, and why, as the pointer, the keys or the player move on it.
(() => {
  const data = JSON.parse(document.getElementById("windows").textContent);
  const [lanes, time, shown, cursor, panel, readout, closer, player] =
    ["lanes", "time", "shown", "cursor", "panel", "readout", "closer", "player"].map((id) => document.getElementById(id));
  const count = data.windows.length;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let chosen = 0; // the window of the keys and the player
  let drawn = null;
  let pointed = false;
  let sought = false; // whether the player moves because a window was chosen, and not by its own controls

  const made = (name, kind, ...children) => {
    const node = document.createElement(name);
    if (kind) node.className = kind;
    node.append(...children);
    return node;
  };
  const signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  const clock = (moment) => {
    const tenths = Math.round(10 * moment);
    return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
  };
  const times = ({ start, end }) => `${clock(start)} to ${clock(end)}`;
  const numbered = (place) => `Window ${(place + 1).toLocaleString("en")} of ${count.toLocaleString("en")}`;
  const share = (moment) => `${(100 * moment) / data.duration}%`;

  const direction = (window, target) => {
    const told = window.told[target];
    return told ? `${target} ${told[0] ? "rises" : "falls"} (${told[1].toFixed(2)})` : `${target}: no direction is told`;
  };
  const summary = (place) => {
    const window = data.windows[place];
    const said = window.valid ? data.targets.map((target) => direction(window, target)) : ["not measured"];
    return [numbered(place), times(window), ...said].join(", ");
  };

  // --- reasons --------------------------------------------------------------------------------------------------------

  const bar = (value, largest) => {
    const fill = made("span", value < 0 ? "against" : "for");
    const width = Math.min(50, (50 * Math.abs(value)) / largest);
    fill.style.width = `${width}%`;
    fill.style.left = `${value < 0 ? 50 - width : 50}%`;
    return made("span", "bar", fill);
  };
  const line = (value, largest, words, kind) =>
    made("li", kind, made("span", "cause", ...words), made("span", "value", signed(value)), bar(value, largest));
  const named = ([feature, , more, words]) => {
    const [name, said] = [data.texts[feature], data.texts[words]];
    const turned = more === null ? "" : more ? "more " : "less ";
    return [made("b", "", turned + name), ...(said && said !== name ? [`: ${said}`] : [])];
  };
  const why = (target, found) => {
    const largest = data.largest[target];
    const lines = found.features.map((part) => line(part[1], largest, named(part)));
    const [others, sum] = found.otherFeatures;
    if (others) lines.push(line(sum, largest, [`${others} other features together`]));
    const [rest, restSum] = found.otherCues;
    if (found.text || found.cues.length || rest) {
      lines.push(line(found.text, largest, [made("b", "", "all words together"), found.cues.length ? ", of which:" : ""]));
    }
    if (found.cues.length) {
      lines.push(...found.cues.map((part) => line(part[1], largest, ["words of ", ...named(part)], "cue")));
      if (rest) lines.push(line(restSum, largest, [`words of ${rest} other cues`], "cue"));
      lines.push(line(found.interaction, largest, ["what no single cue's words add"], "cue"));
    }
    if (found.bias) lines.push(line(found.bias, largest, ["where nothing changes at all"]));
    const odds = 1 / (1 + Math.exp(-found.logit));
    const total = `Together ${signed(found.logit)}: the logit of a probability of ${odds.toFixed(2)} that ${target} rises. ` +
      `Not accounted for: ${signed(found.residual, 4)}.`;
    const list = made("ul", "why", ...lines);
    list.setAttribute("aria-label", `Why: contributions to the logit of ${target}`);
    const ends = made("p", "ends", made("span", "", "◂ for a fall"), made("span", "", "for a rise ▸"));
    ends.setAttribute("aria-hidden", "true");
    return [ends, list, made("p", "soft", total)];
  };
  const annotation = (window, target) => {
    const [now, then] = window.annotated[target] ?? [null, null];
    if (now === null) return "";
    const change = then === null ? "" : now === then ? ", unchanged" : `, ${now > then ? "rose" : "fell"} by ${Math.abs(now - then).toFixed(3)}`;
    return `Annotated: ${signed(now, 3)}${change}.`;
  };
  const about = (window, target) => {
    const told = window.told[target];
    const head = made("h4", told ? (told[0] ? "rises" : "falls") : "", direction(window, target));
    const annotated = annotation(window, target);
    const found = window.why[target];
    return [head, ...(annotated ? [made("p", "soft", annotated)] : []), ...(found ? why(target, found) : [])];
  };
  const content = (place) => {
    const window = data.windows[place];
    const head = made("h3", "", `${numbered(place)}: ${times(window)}`);
    if (!window.valid) return [head, made("p", "", "Not measured: too few frames of it show a face, or hold sound.")];
    const against = window.compared === null
      ? "No measured window ends right before it, so nothing is said of a direction."
      : `Compared with ${times(data.windows[window.compared])}.`;
    const parts = [head, made("p", "soft", against)];
    for (const target of window.compared === null ? [] : data.targets) parts.push(...about(window, target));
    if (window.sentence !== null) {
      const dropped = window.dropped ? ` (${window.dropped} cues were left out to fit the encoder)` : "";
      parts.push(made("h4", "", "In words"), made("p", "sentence", data.texts[window.sentence] + dropped));
    }
    return parts;
  };

  // --- what is shown --------------------------------------------------------------------------------------------------

  const show = (place) => {
    if (place === drawn) return;
    drawn = place;
    const [begin, end] = [data.edges[place], data.edges[place + 1]];
    shown.style.left = share(begin);
    shown.style.width = share(end - begin);
    shown.hidden = false;
    readout.textContent = summary(place);
    panel.replaceChildren(...content(place));
  };
  const choose = (place) => {
    chosen = Math.max(0, Math.min(count - 1, place));
    lanes.setAttribute("aria-valuenow", chosen + 1);
    lanes.setAttribute("aria-valuetext", summary(chosen));
    if (!pointed) show(chosen);
  };
  const windowAt = (moment) => {
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (data.edges[middle] <= moment) low = middle; else high = middle - 1;
    }
    return low;
  };
  const momentOf = ({ clientX }) => {
    const box = time.getBoundingClientRect();
    return (data.duration * (clientX - box.left)) / box.width;
  };
  const reveal = (moment) => {
    const at = (time.clientWidth * moment) / data.duration;
    if (at < lanes.scrollLeft || at > lanes.scrollLeft + lanes.clientWidth) lanes.scrollLeft = at - lanes.clientWidth / 4;
  };
  const go = (place) => {
    choose(place);
    show(chosen);
    const { start } = data.windows[chosen];
    moveCursor(start);
    if (!player) return;
    sought = true;
    player.currentTime = start + data.offset;
  };
  const moveCursor = (moment) => {
    cursor.style.left = share(Math.max(0, Math.min(moment, data.duration)));
    cursor.hidden = !player;
    reveal(moment);
  };

  lanes.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return; // a finger scrolls; it chooses with a tap
    pointed = true;
    show(windowAt(momentOf(event)));
  });
  lanes.addEventListener("pointerleave", () => { pointed = false; show(chosen); });
  lanes.addEventListener("click", (event) => go(windowAt(momentOf(event))));
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -count, End: count };
  lanes.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in steps) {
      pointed = false;
      choose(chosen + steps[event.key]);
      reveal((data.edges[chosen] + data.edges[chosen + 1]) / 2);
    } else if (event.key === "Enter" || event.key === " ") go(chosen);
    else return;
    event.preventDefault();
  });
  for (const button of document.querySelectorAll("button.go")) {
    button.addEventListener("click", () => { go(Number(button.dataset.window)); lanes.focus(); });
  }

  // --- the player -----------------------------------------------------------------------------------------------------

  const follow = () => {
    const moment = player.currentTime - data.offset;
    moveCursor(moment);
    choose(windowAt(moment + 0.001)); // players round
  };
  const everyFrame = () => {
    follow();
    if (!player.paused && !calm.matches) requestAnimationFrame(everyFrame);
  };
  if (player) {
    player.addEventListener("play", everyFrame);
    player.addEventListener("timeupdate", () => { if (!player.paused) follow(); });
    player.addEventListener("seeked", () => {
      if (!sought) follow();
      sought = false;
    });
  }

  // --- the whole recording, or so close that each window can be pointed at ----------------------------------------------

  const wide = Number(time.querySelector("svg").getAttribute("width"));
  const offer = () => { closer.hidden = wide <= lanes.clientWidth; };
  closer.addEventListener("click", () => {
    const close = closer.getAttribute("aria-pressed") !== "true";
    closer.setAttribute("aria-pressed", close);
    lanes.classList.toggle("close", close);
    lanes.scrollLeft = (time.clientWidth * data.edges[chosen]) / data.duration - lanes.clientWidth / 2;
  });
  addEventListener("resize", offer);
  offer();
  choose(0);
})();
