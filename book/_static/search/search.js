"use strict";

// 검색의 셈: 브라우저의 화면과 상관없이 색인과 검색어만으로 정해진다.
const BookSearch = (() => {
  // 검색어의 낱말 끝에서 뗄 말. 글 속의 낱말에 이 가운데 여럿이 붙어 나오면 그 낱말은 명사이다.
  const PARTICLES = (
    "은 는 이 가 을 를 의 에 에서 에는 에서는 에도 로 으로 로는 으로는 로서 으로서 와 과 와는 과는 와의 과의 " +
    "도 만 만의 까지 부터 마다 처럼 보다 만큼 이나 나 들 들은 들이 들을 들의 별 이란 란 이며 이고 이라 라 " +
    "이라는 라는 이라고 라고 이다 입니다 인 하는 하기 한 된 되는 할"
  ).split(" ").sort((a, b) => b.length - a.length);
  const HANGUL = "[가-힣]";
  const GAP = "[ \\-_]?";
  const APPENDIX = 0.4;

  // 길이가 그대로여서, 고른 글에서 찾은 자리가 곧 본디 글의 자리이다.
  const normal = (text) => text.toLowerCase().replace(/[×✕✖]/g, "x").replace(/[‐-―−]/g, "-");

  const squash = (text) => normal(text).replace(/[\s\-_]/g, "");

  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

  // 치는 가운데의 끝 음절: 받침은 다음 음절의 첫소리일 수 있고, 없는 받침은 이제 올 수 있다.
  function unfinished(syllable) {
    const open = syllable.charCodeAt(0) - ((syllable.charCodeAt(0) - 0xac00) % 28);
    return `[${String.fromCharCode(open)}-${String.fromCharCode(open + 27)}]`;
  }

  // 말 하나의 정규식. 띄어쓰기와 붙임표는 달라도 된다.
  function pattern(phrase, { inside = false, whole = false, typing = false } = {}) {
    const pieces = phrase.match(/[가-힣]+|[^가-힣 \-_]+/g);
    const hangul = /^[가-힣]/.test(phrase);
    const sources = pieces.map((piece, i) => {
      const korean = /[가-힣]/.test(piece);
      const bridged = piece.length >= (korean ? 4 : 5) && !/\d/.test(piece);
      const letters = [...piece].map(escaped);
      if (typing && korean && i === pieces.length - 1) {
        letters.push(unfinished(letters.pop()));
      }
      return letters.join(bridged ? (korean ? " ?" : GAP) : "");
    });
    const last = phrase.at(-1);
    let end = "";
    if (/\d/.test(last)) {
      end = "(?!\\d)";
    } else if (/[a-z]/.test(last) && (whole || pieces.at(-1).length < 3)) {
      end = "s?(?![a-z0-9])";
    } else if (hangul && phrase.length === 1 && !typing) {
      end = `(?=(?:${PARTICLES.join("|")})?(?!${HANGUL}))`;
    }
    const body = sources.join(GAP);
    const start = /^[a-z0-9]/.test(phrase) ? "(?<![a-z0-9])" : hangul ? `(?<!${HANGUL})` : "";
    if (hangul && (inside || pieces[0].length >= 3)) {
      return new RegExp(`${start}${body}${end}|${pieces.map(escaped).join(GAP)}${end}`, "g");
    }
    return new RegExp(start + body + end, "g");
  }

  const count = (text, regex) => text.match(regex)?.length ?? 0;

  // 색인에 고른 글과 용어집의 찾아보기를 더한다.
  function prepare({ pages, terms }) {
    const aliases = new Map();
    const add = (name, term, kind) =>
      aliases.has(squash(name)) || aliases.set(squash(name), { name, term, kind });
    terms.forEach((term) => add(term[0], term, "standard"));
    terms.forEach((term) => term[1].forEach((name) => add(name, term, "english")));
    terms.forEach((term) => term[2].forEach((name) => add(name, term, "other")));
    return {
      aliases,
      terms,
      glossary: terms[0]?.[4].split("#")[0],
      pages: pages.map(({ url, number, sections }, order) => ({
        url,
        number,
        order,
        title: sections[0][1],
        sections: sections.map(([anchor, title, level, text, code]) => ({
          anchor,
          title,
          level,
          text,
          code,
          plainTitle: normal(title),
          plainText: normal(text),
          plainCode: normal(code),
        })),
      })),
    };
  }

  const anywhere = (index, regex, skip) =>
    index.pages.some(
      (page) =>
        page.url !== skip &&
        page.sections.some((s) =>
          [s.plainTitle, s.plainText, s.plainCode].some((text) => text.search(regex) >= 0),
        ),
    );

  const stems = (word) =>
    [...PARTICLES, "s"].filter((p) => word.length > p.length && word.endsWith(p))
      .map((p) => word.slice(0, -p.length));

  // 뒤에 서로 다른 조사가 셋 넘게 붙어 나오면 명사로 본다.
  function isNoun(index, stem) {
    const tails = new RegExp(`${pattern(stem).source}(${PARTICLES.join("|")})(?!${HANGUL})`, "g");
    const found = new Set();
    for (const page of index.pages) {
      for (const section of page.sections) {
        for (const match of section.plainText.matchAll(tails)) {
          found.add(match[1]);
        }
      }
    }
    return found.size >= 3;
  }

  // 낱말 하나를 찾을 꼴들. 찾지 못하면 조사를 떼어 보고, 그래도 없으면 낱말 가운데에서 찾는다.
  function wordForms(index, word, typing) {
    const found = (text, options) => anywhere(index, pattern(text, options));
    const bare = stems(word).filter((stem) => stem.length > 1);
    const noun = bare.reverse().find((stem) => /^[가-힣]|[a-z]/.test(stem) && isNoun(index, stem));
    const tries = [noun, word, ...(found(word) ? [] : bare)].filter(Boolean);
    for (const options of [{}, { inside: true }, ...(typing ? [{ typing }] : [])]) {
      const text = tries.find((form) => (form.length > 1 || !options.inside) && found(form, options));
      if (text) {
        return [{ regex: pattern(text, options), text, weight: 1 }];
      }
    }
    return [{ regex: pattern(word), text: word, weight: 1 }];
  }

  function termForms(index, { name, term, kind }) {
    const standard = { regex: pattern(normal(term[0])), text: normal(term[0]), weight: 1 };
    if (kind === "standard") {
      return [standard];
    }
    const own = { regex: pattern(normal(name), { whole: true }), text: normal(name), weight: 1 };
    own.used = anywhere(index, own.regex, index.glossary);
    if (kind === "other" && own.used) {
      standard.weight = 0.3;
    }
    return [standard, own];
  }

  // '1×1 conv'처럼 섞거나 줄여 적은 말을 위해, 낱말 하나를 용어집의 말로 옮긴다.
  function translated(index, word) {
    const starts = (name) => !/[\s-]/.test(name) && normal(name).startsWith(word);
    const term =
      index.aliases.get(word)?.term ??
      (/^[a-z]{4,}$/.test(word) && index.terms.find((row) => row[1].some(starts)));
    return term ? term[0] : word;
  }

  // 검색어를 개념으로 나눈다. 용어집의 말은 여러 낱말이어도 한 개념이다.
  function concepts(index, query, typing) {
    const words = normal(query.normalize("NFC"))
      .replace(/(\d)\s*[x*]\s*(?=\d)/g, "$1x")
      .replace(/[ㄱ-ㆎᄀ-ᇿ]+/g, " ")
      .split(/[\s\-_,.·:;/?!"'“”‘’()[\]{}<>~`|]+/)
      .filter(Boolean);
    const list = [];
    for (let i = 0, j; i < words.length; i = j) {
      for (j = words.length; j > i; j--) {
        const typed = words.slice(i, j).join(" ");
        const korean = words.slice(i, j).map((word) => translated(index, word)).join(" ");
        const names = [typed, ...stems(typed).reverse(), ...(j - i > 1 ? [korean] : [])];
        const entry = names.map((name) => index.aliases.get(squash(name))).find(Boolean);
        if (entry) {
          const [head, ...rest] = normal(entry.term[0]).split(" ");
          const forms = termForms(index, entry);
          const useful = rest.length && forms[0].weight === 1;
          const headForm = useful && { regex: pattern(head), text: head, weight: 1 };
          list.push({ typed, entry, forms, head: headForm });
          break;
        }
      }
      if (j === i) {
        j = i + 1;
        list.push({ typed: words[i], forms: wordForms(index, words[i], typing) });
      }
    }
    return { words, list };
  }

  // 제목의 깊이마다 주는 점수, 쪽의 제목이 검색어와 똑같을 때와 낱말을 처음 가르칠 때 더하는 점수.
  const TITLE = [0, 40, 14, 10, 8];
  const NAMED = 60;
  const FIRST = 20;
  const HEAD = 0.2;
  const MINOR = ["요약", "연습 문제", "참고 문헌"];

  function sectionScore(section, form) {
    const { regex, text, weight } = form;
    const titled = count(section.plainTitle, regex);
    const uses = count(section.plainText, regex);
    let score = 3 * (uses / (uses + 2));
    if (titled) {
      const whole = squash(section.plainTitle) === squash(text);
      const leading = section.plainTitle.search(regex) === 0;
      score += TITLE[section.level] * (whole ? 1.5 : leading ? 1 : 0.85);
    }
    if (count(section.plainCode, regex)) {
      score += 0.5;
    }
    // '풀링(pooling)'처럼 두 말로 적은 곳은 낱말을 처음 가르치는 곳이다.
    const both = `(?:${regex.source})\\([a-z]|[가-힣]\\((?:[a-z\\- ]+, )?(?:${regex.source})[,)]`;
    const introduced = uses > 0 && weight === 1 && new RegExp(both).test(section.plainText);
    const minor = MINOR.includes(section.title) ? 0.25 : 1;
    return { score: score * weight * minor, uses: uses * weight, introduced };
  }

  function pageHits(page, concept) {
    const { scores, often, introduced, total } = formHits(page, concept.forms);
    // '지름길 연결'을 가르치는 장은 '지름길'이라고만도 적는다. 이미 찾은 쪽의 차례에만 쓴다.
    const head = total && concept.head ? formHits(page, [concept.head]).total : 0;
    return { scores, often, introduced, total: total + HEAD * head };
  }

  function formHits(page, forms) {
    const scores = page.sections.map((section) => {
      const each = forms.map((form) => sectionScore(section, form));
      return {
        score: Math.max(...each.map(({ score }) => score)),
        introduced: each.some(({ introduced }) => introduced),
        uses: each.reduce((sum, { uses }) => sum + uses, 0),
      };
    });
    const uses = scores.reduce((sum, s) => sum + s.uses, 0);
    const [own, ...rest] = scores.map(({ score }) => score);
    const best = [...rest].sort((a, b) => b - a);
    const sum = best.slice(0, 3).reduce((total, score, i) => total + score / (i + 1), 0);
    const often = uses / (uses + 15);
    const introduced = scores.some((score) => score.introduced);
    return { scores, often, introduced, total: own + sum + 20 * often };
  }

  function search(index, query, { typing = false } = {}) {
    const { words, list } = concepts(index, query, typing);
    if (!list.length) {
      return { pages: [], concepts: [], missing: [] };
    }
    const scans = list.map((concept) => {
      const hits = index.pages.map((page) => pageHits(page, concept));
      const first = hits.find(({ introduced }) => introduced);
      if (first) {
        first.total += FIRST * first.often;
      }
      return hits;
    });
    const phrase = list.length > 1 ? pattern(words.join(" ")) : null;
    const pages = [];
    for (const page of index.pages) {
      const hits = scans.map((scan) => scan[page.order]);
      const sections = page.sections
        .map((section, i) => {
          const scores = hits.map((hit) => hit.scores[i].score);
          const all = scores.every((score) => score > 0);
          const spoken = phrase && count(section.plainText, phrase) > 0;
          const score = scores.reduce((sum, each) => sum + each, 0);
          return {
            section,
            spoken,
            score: score + (all ? 10 * (scores.length - 1) : 0) + (spoken ? 15 : 0),
          };
        })
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score);
      if (!hits.every(({ total }) => total > 0) && !sections.some(({ spoken }) => spoken)) {
        continue;
      }
      const together = list.length > 1 ? sections[0].score : 0;
      const total = hits.reduce((sum, hit) => sum + hit.total, together);
      const named = squash(page.title) === squash(words.join(""));
      const score = total * (page.number ? 1 : APPENDIX) + (named ? NAMED : 0);
      const titled = hits.some(({ scores }) => scores[0].score >= TITLE[1]);
      pages.push({ page, titled, sections, score });
    }
    pages.sort((a, b) => b.score - a.score || a.page.order - b.page.order);
    const missing = list.filter((_, i) => scans[i].every(({ total }) => total === 0));
    return { pages, concepts: list, missing };
  }

  // 절에서 보일 한 토막과, 그 안에서 찾은 자리. 되도록 모든 개념이 든 문단을 고른다.
  function excerpt(section, found, length = 110) {
    const regexes = found.flatMap(({ forms }) => forms.map(({ regex }) => regex));
    const lines = section.text.split("\n").map((line) => ({
      line,
      marks: regexes.flatMap((regex) =>
        [...normal(line).matchAll(regex)].map((m) => [m.index, m.index + m[0].length]),
      ),
      kinds: found.filter(({ forms }) =>
        forms.some(({ regex }) => normal(line).search(regex) >= 0)).length,
    }));
    const best = lines.reduce((a, b) => (b.kinds > a.kinds ? b : a));
    if (!best.kinds) {
      const used = (name) => regexes.some((regex) => normal(name).search(regex) >= 0);
      const name = section.code.split(" ").find(used);
      if (name) {
        return [["코드의 ", false], [name, true]];
      }
    }
    const marks = best.marks.sort((a, b) => a[0] - b[0]);
    const first = marks[0]?.[0] ?? 0;
    // 되도록 문장의 처음부터, 멀면 낱말의 처음부터 보인다.
    let start = best.line.lastIndexOf(". ", first) + 1;
    if (first - start > length / 2) {
      start = best.line.lastIndexOf(" ", first - Math.round(length / 3));
    }
    start = start > 0 ? start + 1 : 0;
    let end = best.line.length;
    if (end > start + length) {
      end = Math.max(best.line.lastIndexOf(" ", start + length), marks[0]?.[1] ?? 0);
      end = end > start ? end : start + length;
    }
    const pieces = start ? [["… ", false]] : [];
    let at = start;
    for (const [from, to] of marks) {
      if (from >= at && to <= end) {
        pieces.push([best.line.slice(at, from), false], [best.line.slice(from, to), true]);
        at = to;
      }
    }
    pieces.push([best.line.slice(at, end) + (end < best.line.length ? " …" : ""), false]);
    return pieces.filter(([text]) => text);
  }

  return { prepare, search, excerpt, normal };
})();

(() => {
  const root = document.documentElement.dataset.content_root ?? "";
  const SECTIONS = 3;
  const PAGES = 7;
  let loading;

  // 색인은 처음 찾을 때 한 번만 싣는다. `file://`에서는 fetch를 쓸 수 없어 스크립트로 싣는다.
  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = element("script", { src: `${root}search-index.js` });
      script.onload = () => resolve(BookSearch.prepare(window.SearchIndex));
      script.onerror = reject;
      document.head.append(script);
    });
    return loading;
  }

  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  // 받침에 맞는 조사. 한글이 아니면 둘 다 적는다.
  function josa(word, closed, open) {
    const code = word.charCodeAt(word.length - 1) - 0xac00;
    return code < 0 || code > 11171 ? `${closed}(${open})` : code % 28 ? closed : open;
  }

  const quoted = (word, closed, open) => `‘${word}’${josa(word, closed, open)}`;

  const marked = (pieces) =>
    pieces.map(([text, found]) => (found ? element("mark", {}, text) : text));

  const address = (page, section) =>
    root + page.url + (section && section.level > 1 ? `#${section.anchor}` : "");

  function pageName({ number, title }) {
    const name = element("span", { class: "search-page" });
    if (number) {
      name.append(element("span", { class: "search-number" }, `${number}.`), " ");
    }
    name.append(title);
    return name;
  }

  // 용어집의 말을 찾았을 때의 풀이. 다른 말로 찾았으면 이 책의 말을 알린다.
  function termNote({ entry, forms }) {
    const { name, kind, term: [word, english, , meaning, url] } = entry;
    const note = element("div", { class: "search-term" });
    if (kind === "other") {
      const text = forms[1].used
        ? `${quoted(name, "은", "는")} ‘${word}’의 다른 말이기도 합니다.`
        : `${quoted(name, "은", "는")} 이 책에서 ${quoted(word, "이라고", "라고")} 씁니다.`;
      note.append(element("p", { class: "search-term__note" }, text));
    }
    const head = [element("a", { href: root + url }, word)];
    if (english.length) {
      head.push(" ", element("span", { lang: "en" }, english.join(", ")));
    }
    note.append(element("p", {}, ...head, element("span", {}, ` ${meaning}`)));
    return note;
  }

  function statusText({ pages, concepts, missing }) {
    if (pages.length) {
      return `${pages.length}개 쪽에서 찾았습니다.`;
    }
    if (missing.length) {
      const words = missing.map(({ typed }) => `‘${typed}’`).join(", ");
      return `${words}${josa(missing.at(-1).typed, "은", "는")} 이 책에 나오지 않습니다.`;
    }
    return concepts.length ? "찾는 말이 모두 나오는 쪽은 없습니다." : "";
  }

  function hint(index) {
    return element(
      "p",
      { class: "search-hint" },
      "맞춤법을 확인하거나 낱말을 줄여서, 또는 영어로 찾아 보십시오. 이 책에서 쓰는 말은 ",
      element("a", { href: root + index.glossary }, "용어집"),
      "에 모았습니다.",
    );
  }

  const notes = (result) => result.concepts.filter(({ entry }) => entry).map(termNote);

  // 검색 쪽의 결과: 쪽마다 알맞은 절 몇 곳.
  function fullList(result) {
    const item = (page, section) =>
      element(
        "li",
        {},
        element("a", { href: address(page, section) }, section.title),
        element("p", {}, ...marked(BookSearch.excerpt(section, result.concepts))),
      );
    const list = element("ol", { class: "search-pages" });
    for (const { page, sections } of result.pages) {
      const own = sections.find(({ section }) => section.level === 1)?.section;
      const below = sections.map(({ section }) => section).filter(({ level }) => level > 1);
      const entry = element("li", {},
        element("h2", {}, element("a", { href: address(page) }, pageName(page))));
      if (own) {
        entry.append(element("p", {}, ...marked(BookSearch.excerpt(own, result.concepts))));
      }
      const items = below.map((section) => item(page, section));
      if (items.length) {
        entry.append(element("ul", {}, ...items.slice(0, SECTIONS)));
      }
      if (items.length > SECTIONS) {
        const rest = items.slice(SECTIONS);
        entry.append(element("details", {},
          element("summary", {}, `이 쪽의 다른 절 ${rest.length}곳`), element("ul", {}, ...rest)));
      }
      list.append(entry);
    }
    return list;
  }

  // 검색 상자의 결과: 쪽마다 한 줄. 쪽의 제목에 없는 말이면 가장 알맞은 절로 간다.
  function shortList(result, query) {
    const list = element("ul", { class: "search-links" });
    for (const { page, titled, sections } of result.pages.slice(0, PAGES)) {
      const section = titled ? page.sections[0] : sections[0].section;
      const name = element("span", { class: "search-link__title" }, pageName(page));
      if (section.level > 1) {
        name.append(element("span", { class: "search-link__section" }, section.title));
      }
      list.append(element("li", {}, element("a", { href: address(page, section) }, name,
        element("span", { class: "search-link__text" },
          ...marked(BookSearch.excerpt(section, result.concepts, 70))))));
    }
    const all = `${root}search.html?q=${encodeURIComponent(query)}`;
    list.append(element("li", { class: "search-all" },
      element("a", { href: all }, "찾은 곳을 모두 보기")));
    return list;
  }

  // 글을 칠 때마다 찾아, 수는 알림 자리에 적고 결과는 그 아래에 보인다.
  function attach(form, output, list) {
    const input = form.querySelector("input");
    const status = element("p", { class: "search-status", role: "status" });
    const results = element("div", {});
    output.append(status, results);
    let timer;

    async function run(typing) {
      const query = input.value;
      let index;
      try {
        index = await load();
      } catch {
        status.textContent = "색인(search-index.js)을 읽지 못했습니다.";
        return;
      }
      if (query !== input.value) {
        return;
      }
      const result = BookSearch.search(index, query, { typing });
      status.textContent = statusText(result);
      results.replaceChildren(...notes(result));
      if (result.pages.length) {
        results.append(list(result, query.trim()));
      } else if (result.concepts.length) {
        results.append(hint(index));
      }
    }

    input.addEventListener("focus", load, { once: true });
    input.addEventListener("input", (event) => {
      clearTimeout(timer);
      timer = setTimeout(run, 80, event.isComposing);
    });
    input.addEventListener("compositionend", () => {
      clearTimeout(timer);
      timer = setTimeout(run, 80, false);
    });
    return { input, run };
  }

  function startDialog(dialog) {
    const form = dialog.querySelector("form");
    const output = element("div", { class: "search-live" });
    dialog.append(output);
    const { input } = attach(form, output, shortList);
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const stops = [input, ...output.querySelectorAll(".search-links a")];
      const at = stops.indexOf(document.activeElement);
      if (step && at >= 0 && !event.isComposing) {
        event.preventDefault();
        stops[Math.min(Math.max(at + step, 0), stops.length - 1)].focus();
      }
    });
  }

  function startPage(output) {
    const form = document.querySelector(".book-search form");
    const { input, run } = attach(form, output, fullList);
    const show = () => {
      input.value ||= new URLSearchParams(location.search).get("q") ?? "";
      if (input.value) {
        run(false);
      } else {
        input.focus();
      }
    };
    // 되돌아온 쪽에서는 브라우저가 적어 두었던 검색어를 되살린 뒤에 찾는다.
    window.addEventListener("pageshow", show);
  }

  const dialog = document.getElementById("pst-search-dialog");
  if (dialog) {
    startDialog(dialog);
  }
  const output = document.querySelector(".book-search__results");
  if (output) {
    startPage(output);
  }
})();
