/* The part of the panel whose content must be in no saved notebook.
 *
 * What is typed here stays in this page until it is sent, and what the kernel shows comes by message: neither is ever a
 * trait of the widget, because traits are what front ends write into notebooks. Nothing is asked of an endpoint when
 * this is drawn: "ready" makes the kernel repeat what it showed last.
 */

const TABS = [
  ["answer", "Answer"],
  ["body", "Raw body"],
  ["facts", "Details"],
  ["plot", "Plot"],
  ["log", "Log"],
  ["code", "Code"],
  ["history", "History"],
];

let boards = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function button(label, title, press, attributes = {}) {
  return make("button", { type: "button", class: "smrt-button", title, onclick: press, ...attributes }, label);
}

function tableOf(caption, headings, rows) {
  const head = make("tr", {}, ...headings.map((each) => make("th", { scope: "col" }, each)));
  const lines = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...lines));
}

function render({ model, el }) {
  const id = `smrt-board-${++boards}`;
  let streamed = null;

  const ask = (verb, more = {}) => {
    if (verb !== "cancel") say("Waiting for the kernel…", "busy");
    model.send({ do: verb, payload: payload.value, ...more });
  };
  // What is sent is what the fields say here: their own messages may still be on their way, behind a cell that runs.
  const askAsChosen = async (verb) => {
    const chosen = {};
    const fields = model.widget_manager?.get_model;
    // A front end that does not hand its fields out delivers their messages in order: the kernel knows what they say.
    if (!fields) return ask(verb);
    for (const [name, id] of Object.entries(model.get("fields"))) {
      const field = await model.widget_manager.get_model(id);
      const labels = field.get("_options_labels");
      chosen[name] = labels ? labels[field.get("index")] : field.get("value");
    }
    ask(verb, { chosen });
  };

  // -- what is sent ------------------------------------------------------------------------------------------------
  const payload = make("textarea", {
    id: `${id}-payload`,
    rows: "4",
    spellcheck: "false",
    placeholder: 'The body of one request, such as {"inputs": "Hello"} or 1,2,3',
    "aria-describedby": `${id}-hint`,
  });
  const typing = make(
    "div",
    { class: "smrt-payload" },
    make("label", { for: payload.id }, "Payload"),
    payload,
    make("span", { id: `${id}-hint`, class: "smrt-hint" }, "Ctrl+Enter sends, Esc cancels. It is not saved with the notebook."),
  );
  const send = button("Send", "Send it (Ctrl+Enter)", () => askAsChosen("send"), { class: "smrt-button smrt-primary" });
  const stream = button("Stream", "Send it and show the answer as it is made", () => askAsChosen("stream"));
  const cancel = button("Cancel", "Stop sending (Esc)", () => ask("cancel"));
  const code = button("Copy as code", "The same in Python and boto3", () => askAsChosen("code"));
  const log = button("Container log", "Fetch the end of the container's log", () => ask("log"));
  const group = { class: "smrt-actions", role: "group", "aria-label": "Actions" };
  const actions = make("div", group, send, stream, cancel, code, log);

  // -- how it goes -------------------------------------------------------------------------------------------------
  const bar = make("progress", { "aria-label": "Rows answered" });
  const pace = make("span", { class: "smrt-pace" });
  const progress = make("div", { class: "smrt-progress" }, bar, pace);
  const status = make("p", { class: "smrt-status", role: "status", "data-tone": "idle" });
  const alert = make("p", { class: "smrt-status", role: "alert", "data-tone": "bad" });
  const say = (text, tone) => {
    status.textContent = tone === "bad" ? "" : text;
    status.dataset.tone = tone;
    alert.textContent = tone === "bad" ? text : "";
  };

  // -- what came back ----------------------------------------------------------------------------------------------
  const tabs = {};
  const views = {};
  const list = make("div", { class: "smrt-tabs", role: "tablist", "aria-label": "What came back" });
  const open = (name, focus = false) => {
    for (const [each, tab] of Object.entries(tabs)) {
      tab.setAttribute("aria-selected", String(each === name));
      tab.tabIndex = each === name ? 0 : -1;
      views[each].hidden = each !== name;
    }
    if (focus) tabs[name].focus();
  };
  const step = (event) => {
    const names = TABS.map(([name]) => name).filter((name) => !tabs[name].hidden);
    const here = names.findIndex((name) => tabs[name] === event.target);
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    open(names[(next + names.length) % names.length], true);
  };
  for (const [name, label] of TABS) {
    const attributes = { id: `${id}-${name}-tab`, "aria-controls": `${id}-${name}`, onclick: () => open(name), onkeydown: step };
    tabs[name] = make("button", { type: "button", role: "tab", ...attributes }, label);
    views[name] = make("div", {
      id: `${id}-${name}`,
      role: "tabpanel",
      tabindex: "0",
      class: `smrt-view smrt-${name}`,
      "aria-labelledby": `${id}-${name}-tab`,
    });
    list.append(tabs[name]);
  }

  const draw = {
    answer(answer) {
      streamed = null;
      if (!answer) return [];
      if (answer.html) {
        const page = make("div", { class: "smrt-html jp-RenderedHTMLCommon" });
        page.innerHTML = answer.html; // made, and escaped, by smrt_jupyter.display: never what a model sent as it came
        return [page];
      }
      streamed = make("pre", {}, answer.text);
      return [streamed];
    },
    body: (text) => (text ? [make("pre", {}, text)] : []),
    code: (text) => (text ? [make("pre", {}, text)] : []),
    log: (text) => (text ? [make("pre", {}, text)] : []),
    facts: (facts) => (facts ? [tableOf(facts.caption, ["Name", "Value"], facts.rows)] : []),
    plot: (plot) => (plot ? [plot.image ? make("img", { src: plot.image, alt: plot.text }) : plot.text] : []),
    history(runs) {
      if (!runs || !runs.length) return [];
      const rows = runs.map(([number, when, what, outcome]) => {
        const fill = button("Fill in", `Fill in ${what} again, without sending it`, () => ask("fill", { run: number }));
        const again = button("Send again", `Send ${what} again`, () => ask("again", { run: number }));
        return [when, what, outcome, make("span", { class: "smrt-actions" }, fill, again)];
      });
      return [tableOf("What was sent from this panel", ["When", "What", "Outcome", "Again"], rows)];
    },
  };
  const fill = (name, content) => {
    const drawn = draw[name](content);
    views[name].replaceChildren(...drawn);
    tabs[name].hidden = name !== "answer" && drawn.length === 0;
    list.hidden = TABS.every(([each]) => !views[each].hasChildNodes());
    if (tabs[name].hidden && tabs[name].getAttribute("aria-selected") === "true") open("answer");
  };

  const enable = (busy, alive = true) => {
    const focused = document.activeElement;
    send.disabled = stream.disabled = busy || !alive;
    cancel.disabled = !busy || !alive;
    code.disabled = log.disabled = !alive;
    root.setAttribute("aria-busy", String(busy));
    // A button that was pressed and is no button now would leave the keyboard nowhere.
    if (actions.contains(focused) && focused.disabled) (busy ? root : send).focus();
    else if (!busy && focused === root) send.focus();
  };

  const show = (told) => {
    if ("typing" in told) typing.hidden = !told.typing;
    if ("loggable" in told) log.hidden = !told.loggable;
    if ("payload" in told) payload.value = told.payload;
    if ("busy" in told) enable(told.busy);
    if ("status" in told) say(told.status, told.tone);
    if ("progress" in told) {
      progress.hidden = !told.progress;
      if (told.progress) {
        const { done, total, pace: words } = told.progress;
        if (total) Object.assign(bar, { max: total, value: done });
        else bar.removeAttribute("value");
        pace.textContent = words;
      }
    }
    for (const [name] of TABS) if (name in told) fill(name, told[name]);
    if (told.append && streamed) {
      const atEnd = streamed.scrollTop + streamed.clientHeight >= streamed.scrollHeight - 4;
      streamed.append(told.append);
      if (atEnd) streamed.scrollTop = streamed.scrollHeight;
    }
    if (told.open) open(told.open);
    if (told.copy) copy(told.copy);
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.", "good");
    } catch {
      say("This page may not use the clipboard: select the code below and copy it.", "idle");
    }
  };

  const root = make(
    "section",
    { class: "smrt-board", tabindex: "-1", "aria-label": "Request and answer" },
    typing,
    actions,
    progress,
    status,
    alert,
    list,
    ...Object.values(views),
  );
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !cancel.disabled) ask("cancel");
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !send.disabled) askAsChosen("send");
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // Keys pressed in here are ours and not the notebook's, where Enter edits and "d d" deletes a cell; but Ctrl+S saves.
  const claim = (event) => {
    const notebooks = (event.ctrlKey || event.metaKey) && event.key !== "Enter";
    root.toggleAttribute("data-lm-suppress-shortcuts", !notebooks);
  };
  window.addEventListener("keydown", claim, true);

  for (const [name] of TABS) fill(name, null);
  open("answer");
  progress.hidden = log.hidden = true;
  const alone = () => {
    enable(false, false);
    say("This panel has no kernel. Run this cell again to use it; nothing is sent by itself.", "idle");
  };
  el.append(root);

  const ready = () => {
    alone();
    try {
      model.send({ do: "ready" }); // the kernel's answer brings the board to life
    } catch {
      // there is none: that is what the board says now
    }
  };
  model.on("msg:custom", show);
  model.on("comm_live_update", ready);
  ready();
  return () => {
    window.removeEventListener("keydown", claim, true);
    model.off("msg:custom", show);
    model.off("comm_live_update", ready);
  };
}

export default { render };
