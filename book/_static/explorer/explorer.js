/* 탐험기들이 함께 쓰는 것: 요소 만들기, 수 입력, 자리 채우기. 다른 스크립트 없이 file://에서도 움직인다. */
"use strict";

const Explorer = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  let count = 0;

  const build = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat());
    return node;
  };

  /** HTML 요소를 만든다. `on…` 속성은 이벤트 처리기이다. */
  const element = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);

  /** SVG 요소를 만든다. */
  const svg = (tag, attributes = {}, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  /** 라벨이 달린 정수 입력 칸. 범위를 벗어난 값은 가장 가까운 값으로 고친 뒤 `change(값)`을 부른다. */
  const integerField = (label, { value, min, max, change }) => {
    const id = `explorer-field-${++count}`;
    const input = element("input", {
      id, type: "number", inputmode: "numeric", min, max, step: 1, value,
      oninput: () => { if (input.value !== "" && input.checkValidity()) change(input.valueAsNumber); },
      onchange: () => {
        const number = Number.isFinite(input.valueAsNumber) ? Math.round(input.valueAsNumber) : value;
        input.value = Math.min(max, Math.max(min, number));
        change(input.valueAsNumber);
      },
    });
    return { field: element("div", { class: "explorer-field" }, element("label", { for: id }, label), input), input };
  };

  /** 라벨이 달린 고르기 칸. `options`는 [값, 보이는 말]의 배열이다. */
  const selectField = (label, { options, value, change }) => {
    const id = `explorer-field-${++count}`;
    const select = element("select", { id, onchange: () => change(select.value) },
      options.map(([key, text]) => element("option", { value: key, selected: key === value }, text)));
    return { field: element("div", { class: "explorer-field" }, element("label", { for: id }, label), select), select };
  };

  /** 라벨이 달린 켬/끔 칸. */
  const checkField = (label, { checked = false, change }) => {
    const id = `explorer-field-${++count}`;
    const input = element("input", { id, type: "checkbox", checked, onchange: () => change(input.checked) });
    return { field: element("div", { class: "explorer-field explorer-check" }, input, element("label", { for: id }, label)), input };
  };

  const plain = (value) => {
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e9)) return Number(value.toExponential(3));
    return Number(size < 0.1 ? value.toPrecision(4) : value.toFixed(4));
  };

  const minus = (text) => String(text).replaceAll("-", "−");

  /** 수를 보일 글. 소수점 아래 넷째 자리까지, 0.1보다 작으면 유효 숫자 네 자리까지 적는다.
   * `scale`만 한 수들을 더하고 빼다 남은 찌꺼기는 0으로 적는다. */
  const format = (value, scale = 0) => {
    if (Math.abs(value) === Infinity) return value < 0 ? "−∞" : "∞";
    if (value === 0 || Math.abs(value) < 1e-12 * scale) return "0";
    const rounded = plain(value);
    if (Math.abs(rounded) >= 1e-4 && Math.abs(rounded) < 1e9) return minus(rounded);
    const [digits, power] = rounded.toExponential().split("e");
    const raised = power.replace("+", "").replace("-", "⁻").replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
    return `${minus(digits)}×10${raised}`;
  };

  /** `= 0.5`처럼 식의 오른쪽을 적는다. 반올림한 수 앞에는 ≈을 쓰고, 수와 떨어져 줄이 바뀌지 않게 한다. */
  const equals = (value, scale = 0) => {
    const text = format(value, scale);
    const exact = text === "0" || text.endsWith("∞") || Math.abs(plain(value) - value) <= 1e-12 * Math.abs(value);
    return `${exact ? "=" : "≈"}\u00a0${text}`;
  };

  /** 수들을 더하는 식. 음수는 빼기로 적는다. */
  const sum = (values) => values.map((value, index) => {
    const text = format(value);
    if (index === 0) return text;
    return text.startsWith("−") ? ` − ${text.slice(1)}` : ` + ${text}`;
  }).join("");

  /** 글을 수의 배열로 읽는다. 규칙에 어긋나면 칸의 이름과 규칙을 알리는 오류를 던진다. */
  const readNumbers = (name, text, { least = 1, most = 1, min = -10000, max = 10000 } = {}) => {
    const fail = (rule) => { throw new RangeError(`“${name}” 칸${rule}`); };
    const clean = text.normalize("NFKC").replaceAll("−", "-").trim();
    const rule = most === 1 ? "수 하나를 적습니다" : `수 ${least}개에서 ${most}개까지를 빈칸이나 쉼표로 나누어 적습니다`;
    if (clean === "") fail(`이 비어 있습니다. ${rule}.`);
    if (most === 1 ? clean.includes(",") : /\d,\d/.test(clean) && /[^\s,]\s+[^\s,]/.test(clean)) {
      fail(`에서 소수점은 쉼표가 아니라 마침표(.)로 적습니다 (받은 값: ${text.trim()}).`);
    }
    const words = clean.replace(/\s*,$/, "").split(/\s*,\s*|\s+/);
    const wrong = words.find((word) => !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(word));
    if (wrong !== undefined) fail(`에 수가 아닌 것이 있습니다 (받은 값: ${wrong || "쉼표만 있는 곳"}). ${rule}.`);
    if (words.length < least || words.length > most) fail(`에는 ${rule} (지금 ${words.length}개).`);
    const outside = words.find((word) => Number(word) < min || Number(word) > max);
    if (outside !== undefined) fail(`에는 ${format(min)} 이상 ${format(max)} 이하인 수를 적습니다 (받은 값: ${minus(outside)}).`);
    return words.map(Number);
  };

  /** 라벨이 달린 수의 칸. 바르게 적으면 `change(수들)`을 부르고, 아니면 칸 아래에 까닭을 보인다. */
  const numbersField = (label, { name = label, value, change, ...rule }) => {
    const id = `explorer-field-${++count}`;
    const error = element("p", { id: `${id}-error`, class: "explorer-error", "aria-live": "polite" });
    const input = element("input", {
      id, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": error.id, value,
      oninput: () => {
        error.textContent = "";
        input.removeAttribute("aria-invalid");
        try {
          change(readNumbers(name, input.value, rule));
        } catch (problem) {
          if (!(problem instanceof RangeError)) throw problem;
          error.textContent = `${problem.message} 아래 결과는 고치기 전의 것입니다.`;
          input.setAttribute("aria-invalid", "true");
        }
      },
    });
    const list = rule.most > 1 ? " explorer-list" : "";
    return { field: element("div", { class: `explorer-field${list}` }, element("label", { for: id }, label), input, error), input };
  };

  /** 계산의 단계들. 단계는 [이름, ...식]이고, 식은 줄바꿈 없이 이어진다. */
  const steps = (lines) => element("dl", { class: "explorer-steps" },
    lines.map(([name, ...formula]) => element("div", {}, element("dt", {}, name), element("dd", {}, formula))));

  /** 이름이 같은 자리마다 `fill(자리)`를 부른다. */
  const start = (name, fill) => {
    for (const place of document.querySelectorAll(`[data-explorer="${name}"]`)) {
      place.replaceChildren();
      place.classList.add("explorer-on");
      fill(place);
    }
  };

  return {
    element, svg, integerField, selectField, checkField, numbersField, start, format, equals, sum, readNumbers, steps,
  };
})();
