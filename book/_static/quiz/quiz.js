/* 쪽 안의 퀴즈. `exercises.py`가 적은 정답과 힌트로 그 자리에서 채점한다. 파이썬의 `check`와 같은 판정을 낸다. */
"use strict";

const Quiz = (() => {
  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

  /** 적은 글을 수의 배열로 읽는다. 1,024의 쉼표와 10, 24의 쉼표를 나누어 보고, 1/3, 2^10, 3.4×10⁻⁵도 받는다. */
  const readNumbers = (text, count) => {
    const clean = text
      .replace(/[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (power) => `^${power.replace("⁻", "-").replace(/[^-]/g, (digit) => SUPERSCRIPTS.indexOf(digit))}`)
      .normalize("NFKC").replace(/[−–]/g, "-").replaceAll("⁄", "/")
      .replace(/\s*[×x*·]\s*10\s*\^\s*\(?([-+]?\d+)\)?/g, "e$1")
      .replace(/\s*%/g, "").replace(/[[\](){}]/g, " ").trim();
    const words = clean.split(/[\s;×]+|,(?=\s|$)/).filter(Boolean);
    const parts = words.flatMap((word) =>
      /^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(word) ? [word.replaceAll(",", "")] : word.split(","));
    const all = parts.length === count ? parts : clean.split(/[\s;×,]+/).filter(Boolean);
    const chosen = all.length === count ? all : parts;
    return chosen.map((word) => {
      if (NUMBER.test(word)) return Number(word);
      const [, left, sign, right] = word.match(/^([-+]?[\d.]+)([/^])([-+]?[\d.]+)$/) || [];
      const value = sign === "/" ? left / right : sign === "^" ? left ** right : NaN;
      if (!Number.isFinite(value)) throw new RangeError(`수가 아닌 것이 있습니다 (받은 값: ${word}).`);
      return value;
    });
  };

  const equal = (key, given, answer) =>
    given.every((value, i) => Math.abs(value - answer[i]) <= key.tolerance + key.relative * Math.abs(answer[i]));

  /** 판정 {correct, mistake, message}. `mistake`는 보일 힌트의 번호이고, 없으면 문제의 힌트를 편다. */
  const grade = (key, text) => {
    if (key.kind === "choice") {
      const chosen = Number(text);
      return { correct: chosen === key.answer, mistake: chosen - 1 };
    }
    const count = key.answer.length;
    let given;
    try {
      given = readNumbers(text, count);
    } catch (problem) {
      if (!(problem instanceof RangeError)) throw problem;
      return { correct: false, message: problem.message };
    }
    if (given.length !== count) {
      const wanted = count === 1 ? "수 하나로 답하십시오" : `수 ${count}개를 차례로 적으십시오`;
      return { correct: false, message: `${wanted} (받은 값: ${given.length}개).` };
    }
    if (equal(key, given, key.answer)) return { correct: true };
    const mistake = key.mistakes.findIndex((wrong) => equal(key, given, wrong));
    if (mistake >= 0) return { correct: false, mistake };
    const places = given.flatMap((value, i) => (equal(key, [value], [key.answer[i]]) ? [] : [i + 1]));
    const where = count > 1 ? `차례로 세어 ${places.join(", ")}번째 수가 다릅니다. ` : "";
    return { correct: false, message: `${where}힌트를 보십시오.`, hint: true };
  };

  /** 이 브라우저에 적어 둔 맞은 답. 저장을 막아 둔 브라우저에서는 늘 비어 있다. */
  const remembered = (name) => {
    try { return localStorage.getItem(`quiz:${name}`); } catch { return null; }
  };
  const remember = (name, text) => {
    try { localStorage.setItem(`quiz:${name}`, text); } catch { /* 다음에는 다시 풀면 된다 */ }
  };

  const element = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  /** 수를 적는 칸. */
  const numbersField = (key, name) => {
    const count = key.answer.length;
    const input = element("input", { id: `${name}-answer`, type: "text", autocomplete: "off", spellcheck: "false" });
    if (count === 1) input.inputMode = "decimal";
    const label = count === 1 ? "답" : `답 (수 ${count}개를 쉼표나 빈칸으로 나누어)`;
    const field = element("div", { class: "quiz-field" }, element("label", { for: input.id }, label), input);
    return { field, answer: () => input.value, fill: (text) => { input.value = text; } };
  };

  /** 보기마다 고르는 단추를 단다. */
  const choiceField = (name, list) => {
    [...list.children].forEach((item, i) => {
      const radio = element("input", { type: "radio", name: `${name}-answer`, value: i + 1 });
      item.replaceChildren(element("label", {}, radio, element("span", {}, ...item.childNodes)));
    });
    const field = element("fieldset", { class: "quiz-field" }, element("legend", {}, "보기"), list);
    return {
      field,
      answer: () => (field.querySelector(":checked") || { value: "" }).value,
      fill: (text) => { field.querySelectorAll("input")[text - 1].checked = true; },
    };
  };

  const start = (place) => {
    const key = JSON.parse(place.dataset.quiz);
    const box = place.closest(".exercise");
    const hint = box.querySelector("details");
    const { field, answer, fill } = key.kind === "choice" ? choiceField(box.id, box.querySelector("ol")) : numbersField(key, box.id);
    const verdict = element("div", { class: "quiz-verdict", role: "status" });
    const form = element("form", { class: "quiz-form" }, field, element("button", {}, "확인"));

    const show = (correct, title, text, more = []) => {
      verdict.dataset.correct = correct;
      verdict.replaceChildren(element("p", {}, element("strong", {}, title), text), ...more);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = answer();
      if (text.trim() === "") return show(null, "아직 답이 없습니다.", "");
      const { correct, mistake, message, hint: open } = grade(key, text);
      if (correct) {
        remember(box.id, text);
        return show(true, "맞았습니다.", "아래의 풀이와 견주어 보십시오.");
      }
      if (open) hint.open = true;
      const said = place.querySelector(`[data-when="${mistake}"]`);
      return show(false, "아직 아닙니다.", message || "", said ? [...said.cloneNode(true).children] : []);
    });
    const before = remembered(box.id);
    if (before !== null && grade(key, before).correct) { // 문제가 바뀌어 이제 틀린 답이면 되살리지 않는다
      fill(before);
      show(true, "전에 맞혔습니다.", "");
    }
    place.prepend(form, verdict);
    place.hidden = false;
  };

  document.querySelectorAll("[data-quiz]").forEach(start);
  return { readNumbers, grade };
})();
