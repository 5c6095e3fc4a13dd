/* 옆으로 밀리는 코드와 표를 키보드로도 밀 수 있게 한다. 화면 밖의 것까지 재면 느리므로 보일 때 잰다. */
"use strict";

{
  const reach = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
    }
  }, { rootMargin: "50% 0px" });
  const scrollers = "pre, .cell_output > .output, .pst-scrollable-table-container, div.math";
  document.querySelectorAll(scrollers).forEach((scroller) => reach.observe(scroller));
}
