// The conversation as it is written down: turns, and what happened between them.

const SPEAKERS = { agent: "Agent", callee: "You", caller: "Caller" };

function line(className, ...children) {
  const item = document.createElement("li");
  item.className = className;
  item.append(...children);
  return item;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

export class Words {
  #list;

  constructor(list) {
    this.#list = list;
  }

  clear() {
    this.#list.replaceChildren();
  }

  turn({ speaker, text, interrupted }) {
    const parts = [element("b", SPEAKERS[speaker] ?? speaker), text];
    if (interrupted) parts.push(element("i", " (interrupted)"));
    this.#add(line(`turn ${speaker}`, ...parts));
  }

  happened(text) {
    this.#add(line("happened", text));
  }

  #add(item) {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    // Who scrolled up to read is left alone.
    const follows = scrollHeight - scrollTop - clientHeight < 60;
    this.#list.append(item);
    if (follows) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
