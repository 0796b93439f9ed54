// Filtering of the scan cards. Without it the page shows all of them.
(() => {
  const cards = Array.from(document.querySelectorAll(".cards > li"));
  const input = document.getElementById("filter");
  const code = document.getElementById("code");
  const shown = document.getElementById("shown");
  const textOf = new Map(cards.map((card) => [card, card.textContent.toLowerCase()]));

  const show = () => {
    const wanted = input.value.trim().toLowerCase();
    let n = 0;
    cards.forEach((card) => {
      const hasCode = !code.value || card.dataset.codes.split(" ").includes(code.value);
      card.hidden = !hasCode || !textOf.get(card).includes(wanted);
      n += card.hidden ? 0 : 1;
    });
    shown.textContent = n < cards.length ? `${n} of ${cards.length} scans shown` : "";
  };

  input.addEventListener("input", show);
  code.addEventListener("change", show);
  document.querySelector(".controls").hidden = false;
  show();
})();
