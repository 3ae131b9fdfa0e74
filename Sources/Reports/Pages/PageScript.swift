extension Page {
  /// The script of all pages: tables sort by the headers of their columns, which become buttons, and arrow keys walk
  /// the graph of layers. It has no "<" and no "&", so that pages are well-formed XML.
  package static let script = """
    (function () {
    "use strict";
    var collator = new Intl.Collator("en", {numeric: true});
    function each(selector, run, within) { (within || document).querySelectorAll(selector).forEach(run); }
    each("table.sorts", function (table) {
      var heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
      heads.forEach(function (head, column) {
        var button = document.createElement("button");
        button.type = "button";
        while (head.firstChild) button.appendChild(head.firstChild);
        head.appendChild(button);
        head.setAttribute("aria-sort", "none");
        button.addEventListener("click", function () {
          var rises = head.getAttribute("aria-sort") !== "ascending", isNumber = head.classList.contains("n");
          heads.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
          head.setAttribute("aria-sort", rises ? "ascending" : "descending");
          Array.from(body.rows).map(function (row, index) {
            var cell = row.cells[column], key = cell.getAttribute("data-k");
            var value = isNumber ? parseFloat(key === null ? cell.textContent : key) : cell.textContent;
            return {row: row, index: index, value: value, isMissing: isNumber ? isNaN(value) : false};
          }).sort(function (a, b) {
            if (a.isMissing !== b.isMissing) return a.isMissing ? 1 : -1;
            var order = a.isMissing ? 0 : isNumber ? Math.sign(a.value - b.value) : collator.compare(a.value, b.value);
            return (rises ? order : -order) || a.index - b.index;
          }).forEach(function (item) { body.appendChild(item.row); });
        });
      });
    });
    each(".walk", function (walk) {
      var links = Array.from(walk.querySelectorAll("svg a")), panel = walk.querySelector(".panel");
      function add(parent, tag, text) {
        var element = document.createElement(tag);
        element.textContent = text;
        parent.appendChild(element);
        return element;
      }
      function show(index, moves) {
        var link = links[index], target = link.getAttribute("href"), row = document.getElementById(target.slice(1));
        links.forEach(function (other) { other.setAttribute("tabindex", "-1"); other.removeAttribute("aria-current"); });
        link.setAttribute("tabindex", "0");
        link.setAttribute("aria-current", "true");
        if (moves) link.focus();
        if (!row) return;
        var heads = row.closest("table").tHead.rows[0].cells;
        panel.textContent = "";
        add(panel, "h3", row.cells[0].textContent);
        var list = add(panel, "dl", "");
        Array.from(row.cells).slice(1).forEach(function (cell, column) {
          if (!cell.textContent) return;
          add(list, "dt", heads[column + 1].textContent);
          add(list, "dd", cell.textContent);
        });
        add(add(panel, "p", ""), "a", "Show it in the table").setAttribute("href", target);
      }
      function first(link, name) { return parseInt((link.getAttribute(name) || "").split(" ").pop(), 10); }
      links.forEach(function (link, index) {
        link.addEventListener("click", function (event) { event.preventDefault(); show(index, true); });
        link.addEventListener("focus", function () { if (!link.hasAttribute("aria-current")) show(index, false); });
        link.addEventListener("keydown", function (event) {
          var next = {ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: links.length - 1,
            ArrowLeft: first(link, "data-from"), ArrowRight: first(link, "data-to")}[event.key];
          if (next === undefined) return;
          event.preventDefault();
          if (links[next]) show(next, true);
        });
      });
      if (links.length) show(0, false);
    });
    window.addEventListener("beforeprint", function () {
      each("details", function (details) { details.open = true; });
    });
    })();
    """

  /// The hash of `script` as content security policies state it.
  package static let scriptHash = "sha256-lZ09EEIKpioChdbZ4fd+0UD28ETEiyaFr8lfzDi9xkc="
}
