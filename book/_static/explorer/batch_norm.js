/* 배치 정규화 계산기: 한 채널의 미니배치를 적으면 통계, 정규화, 이동 평균의 계산을 한 줄씩 보인다. */
"use strict";

window.BatchNormCalculator = (() => {
  const { element, equals, format } = Explorer;
  const average = (values) => values.reduce((total, value) => total + value, 0) / values.length;

  const transform = (values, mean, variance, { gamma, beta, eps }) => {
    const deviation = Math.sqrt(variance + eps);
    const normalized = values.map((value) => (value - mean) / deviation);
    return { mean, variance, deviation, normalized, output: normalized.map((value) => gamma * value + beta) };
  };

  /** 학습 모드. 미니배치의 평균과 편향 분산으로 정규화하고, 이동 평균에는 불편 분산을 섞는다. */
  const train = (values, options) => {
    const { momentum, runningMean, runningVar } = options;
    const count = values.length;
    if (count < 2) {
      throw new RangeError("학습 모드에서는 값이 둘 이상이어야 합니다. 하나뿐이면 분산이 0이고 불편 분산은 0으로 나누게 되므로 " +
        "torch도 오류를 냅니다. 값을 더 적거나 추론 모드를 고르십시오.");
    }
    const mean = average(values);
    const variance = average(values.map((value) => (value - mean) ** 2));
    const unbiased = variance * (count / (count - 1));
    return {
      ...transform(values, mean, variance, options), unbiased,
      runningMean: (1 - momentum) * runningMean + momentum * mean,
      runningVar: (1 - momentum) * runningVar + momentum * unbiased,
    };
  };

  /** 추론 모드. 이동 평균으로 정규화하고 아무것도 바꾸지 않는다. */
  const evaluate = (values, options) => ({
    ...transform(values, options.runningMean, options.runningVar, options),
    runningMean: options.runningMean, runningVar: options.runningVar,
  });

  const wrap = (value, scale = 0) => {
    const text = format(value, scale);
    return text.startsWith("−") ? `(${text})` : text;
  };

  /** 뺄셈의 찌꺼기를 가려낼 눈금: 평균, 분산, 정규화한 값, 출력의 차례이다. */
  const scales = (values, { mean, deviation }, { gamma }) => {
    const noise = Math.max(...values.map(Math.abs), Math.abs(mean));
    return [noise, 1e-12 * noise ** 2, noise / deviation, Math.abs(gamma) * (noise / deviation)];
  };

  /** 계산의 단계와 값마다의 표. */
  const explain = (values, step, options, training) => {
    const { mean, variance, deviation, normalized, output } = step;
    const { gamma, beta, eps, momentum } = options;
    const count = values.length;
    const [noise, tiny, unit, last] = scales(values, step, options);
    const centered = values.map((value) => value - mean);
    const mix = (old, fresh) => `(1 − ${format(momentum)}) × ${wrap(old)} + ${format(momentum)} × ${wrap(fresh, noise)}`;
    const lines = training ? [
      ["평균", `μ = (${Explorer.sum(values)}) / ${count} ${equals(mean, noise)}`],
      ["편향 분산", `σ² = (${centered.map((value) => `${wrap(value, noise)}²`).join(" + ")}) / ${count} ${equals(variance, tiny)}`],
    ] : [["이동 평균", `μ = running_mean ${equals(mean)}, σ² = running_var ${equals(variance)}`]];
    lines.push(
      ["나누는 수", `√(σ² + ε) = √(${format(variance, tiny)} + ${format(eps)}) ${equals(deviation)}`],
      ["정규화", "x̂₁ = (x₁ − μ) / √(σ² + ε)", ` = (${format(values[0])} − ${wrap(mean, noise)}) / ${format(deviation)} ` +
        equals(normalized[0], unit)],
      ["출력", `y₁ = γ·x̂₁ + β = ${format(gamma)} × ${wrap(normalized[0], unit)} + ${wrap(beta)} ${equals(output[0], last)}`],
    );
    if (training) {
      const center = average(normalized);
      const spread = average(normalized.map((value) => (value - center) ** 2));
      lines.push(
        ["검산", `x̂의 평균 ${equals(center, unit)}, x̂의 분산 ${equals(spread, tiny / deviation ** 2)}, σ² / (σ² + ε) ${equals(variance / (variance + eps), tiny / deviation ** 2)}`],
        ["불편 분산", `s² = σ² × m / (m − 1) = ${format(variance, tiny)} × ${count} / ${count - 1} ${equals(step.unbiased, tiny)}`],
        ["새 이동 평균", `running_mean ← ${mix(options.runningMean, mean)} ${equals(step.runningMean, noise)}`],
        ["새 이동 분산", `running_var ← ${mix(options.runningVar, step.unbiased)} ${equals(step.runningVar)}`],
      );
    } else {
      lines.push(["새 이동 평균", "추론 모드에서는 고치지 않습니다."]);
    }
    const head = ["i", "x", "x − μ", "x̂", "y"];
    const rows = values.map((value, i) => [i + 1, format(value), format(centered[i], noise),
      format(normalized[i], unit), format(output[i], last)]);
    const table = element("table", { class: "bn-table" },
      element("caption", {}, "값마다의 계산"),
      element("thead", {}, element("tr", {}, head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, rows.map(([first, ...rest]) => element("tr", {},
        element("th", { scope: "row" }, first), rest.map((text) => element("td", {}, text))))));
    return [Explorer.steps(lines), table];
  };

  const fill = (root) => {
    const options = { gamma: 1, beta: 0, eps: 1e-5, momentum: 0.1, runningMean: 0, runningVar: 1 };
    let values = [1, 2, 3, 4], training = true, step;
    const problem = element("p", { class: "explorer-error", "aria-live": "polite" });
    const result = element("p", { class: "explorer-result", "aria-live": "polite" });
    const details = element("div");
    const table = element("div", { class: "bn-values", role: "region", tabindex: 0, "aria-label": "값마다의 계산" });
    const again = element("button", { type: "button", onclick: () => {
      for (const name of ["runningMean", "runningVar"]) {
        // 칸에 보이는 수와 계산에 쓰는 수가 같아야 하므로 반올림한 수로 이어 간다.
        fields[name].input.value = Number(step[name].toPrecision(6));
        fields[name].input.dispatchEvent(new Event("input"));
      }
    } }, "새 이동 평균으로 한 스텝 더");
    const results = element("div", {}, result, details, again, table);

    const draw = () => {
      problem.textContent = "";
      try {
        step = (training ? train : evaluate)(values, options);
        if (step.deviation === 0) throw new RangeError("분산과 ε이 모두 0이어서 나눌 수 없습니다. “ε” 칸에 0보다 큰 수를 적으십시오.");
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        problem.textContent = error.message;
      }
      results.hidden = problem.textContent !== "";
      again.hidden = !training;
      if (results.hidden) return;
      const [, , , scale] = scales(values, step, options);
      result.textContent = `출력 y: ${step.output.map((value) => format(value, scale)).join(", ")}`;
      const [steps, rows] = explain(values, step, options, training);
      details.replaceChildren(steps);
      table.replaceChildren(rows);
    };
    const fields = {};
    const number = (key, label, name, min, max) => {
      fields[key] = Explorer.numbersField(label, { name, value: options[key], min, max,
        change: ([value]) => { options[key] = value; draw(); } });
      return fields[key].field;
    };
    root.append(
      element("p", { class: "explorer-title" }, "배치 정규화 계산기"),
      element("div", { class: "explorer-fields" },
        Explorer.numbersField("한 채널의 미니배치 (빈칸이나 쉼표로 나누어 8개까지)", {
          name: "미니배치", value: values.join(", "), most: 8, change: (list) => { values = list; draw(); },
        }).field,
        Explorer.selectField("모드", { options: [["train", "학습 train()"], ["eval", "추론 eval()"]], value: "train",
          change: (mode) => { training = mode === "train"; draw(); } }).field,
        number("gamma", "γ (weight)", "γ"), number("beta", "β (bias)", "β"), number("eps", "ε (eps)", "ε", 0),
        number("momentum", "momentum", "momentum", 0, 1), number("runningMean", "running_mean", "running_mean"),
        number("runningVar", "running_var", "running_var", 0, 1e9)),
      problem, results,
    );
    draw();
  };

  Explorer.start("batch_norm", fill);
  return { train, eval: evaluate };
})();
