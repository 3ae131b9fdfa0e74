extension Page {
  /// The style of all pages. Texts have a contrast of at least 4.5 to 1 and marks of at least 3 to 1, in light and dark
  /// (WCAG 2.2, 1.4.3 and 1.4.11), which `scripts/test-pages` measures.
  package static let style = """
    :root{color-scheme:light dark;--bg:#fff;--fg:#1c2228;--soft:#f2f4f6;--line:#c6ced5;--muted:#52606c;--link:#0b57a4;
    --bar:#2f6fae;--other:#0d7f7b;--good:#1b7a37;--mid:#8a6500;--warn:#b85309;--bad:#b3261e;--note:#fff3d1;--quiet:#768490}
    @media screen and (prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e5e9ed;--soft:#1f262c;--line:#46525d;
    --muted:#adb8c2;--link:#82bcf7;--bar:#6ba8e5;--other:#4cc3bd;--good:#5fcf80;--mid:#e0b93a;--warn:#f59a58;--bad:#ff8f85;
    --note:#3b3216;--quiet:#83919d}}
    *{box-sizing:border-box}
    body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.2rem 1rem 3rem;max-width:76rem;color:var(--fg);
    background:var(--bg);overflow-wrap:break-word}
    h1{font-size:1.15rem;margin:0;color:var(--muted);font-weight:600}
    h2{font-size:1.2rem;margin:2.4rem 0 .4rem;padding-top:.8rem;border-top:1px solid var(--line)}
    h3{font-size:1rem;margin:1.4rem 0 .3rem}p{max-width:46rem;margin:.4rem 0}a{color:var(--link)}
    code{font:.92em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:3px;
    overflow-wrap:anywhere}
    .answer{font-size:1.3rem;line-height:1.4;margin:.5rem 0;max-width:60rem}
    .badge{display:inline-block;font-size:.95rem;padding:.1em .6em;border-radius:4px;margin-right:.3em;color:var(--bg)}
    .badge.pass{background:var(--good)}.badge.fail{background:var(--bad)}.badge.inconclusive{background:var(--mid)}
    .verdict.pass{color:var(--good)}.verdict.fail{color:var(--bad);font-weight:700}.verdict.inconclusive{color:var(--mid)}
    .advice{margin:.6rem 0;padding-left:1.2rem;max-width:46rem}
    .warning{background:var(--note);padding:.5rem .8rem;border-left:4px solid var(--mid);max-width:60rem}
    .tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.7rem;margin:1.2rem 0}
    .tiles div{background:var(--soft);border-radius:6px;padding:.6rem .8rem}.tiles dt{color:var(--muted);font-size:.85rem}
    .tiles dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}.remark{display:block;font-size:.8rem;
    color:var(--muted)}
    table{border-collapse:collapse}th{font-weight:600;text-align:left}
    td,th{padding:.25rem .6rem;vertical-align:top}.facts{width:100%;max-width:60rem;font-size:.9rem}
    .facts th{width:11rem;color:var(--muted)}.facts td{overflow-wrap:anywhere}.facts tr{border-bottom:1px solid var(--line)}
    .scroll{overflow-x:auto;max-width:100%;margin:.6rem 0}
    .numbers{font-size:.9rem;font-variant-numeric:tabular-nums}.numbers caption{position:absolute;width:1px;height:1px;
    overflow:hidden;clip-path:inset(50%)}
    .numbers th,.numbers td{white-space:nowrap}.numbers .n{text-align:right}.numbers .wide{white-space:normal;
    min-width:15rem}
    .numbers thead th{border-bottom:2px solid var(--line);vertical-align:bottom;white-space:normal}
    .numbers tbody th{font-weight:400}.numbers tbody tr:nth-child(even){background:var(--soft)}
    .numbers tbody th[scope=row]{max-width:22rem;overflow:hidden;text-overflow:ellipsis}
    tr:target,tr:focus{outline:2px solid var(--link);outline-offset:-2px}
    th button{all:unset;cursor:pointer;font-weight:600;border-radius:3px}
    th[aria-sort] button::after{content:"\\2195";color:var(--muted);font-weight:400;margin-left:.25em}
    th[aria-sort=ascending] button::after{content:"\\25B2";color:var(--fg)}
    th[aria-sort=descending] button::after{content:"\\25BC";color:var(--fg)}
    :focus-visible,th button:focus-visible{outline:3px solid var(--link);outline-offset:2px}
    .legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;padding:0;margin:.5rem 0;font-size:.9rem}
    .key{vertical-align:-2px;margin-right:.4em}
    svg.chart{display:block;max-width:46rem;overflow:visible;margin:.6rem 0}svg text{font:12px system-ui,sans-serif;
    fill:var(--fg)}
    svg .axis{fill:var(--muted)}.rule{stroke:var(--line)}.line{stroke:var(--bar);stroke-width:2;fill:none}
    .edge{stroke:var(--quiet);stroke-width:1.5;fill:none}.limit{stroke:var(--bad);stroke-width:2;stroke-dasharray:5 3}
    .bar{fill:var(--bar)}.other{fill:var(--other)}.good{fill:var(--good)}.mid{fill:var(--mid)}.warn{fill:var(--warn)}
    .bad{fill:var(--bad)}.quiet{fill:var(--quiet)}.seen{fill:var(--fg)}.frame{fill:none;stroke:var(--fg)}
    .none{fill:var(--bg);stroke:var(--quiet)}
    .walk{display:grid;gap:1rem;grid-template-columns:minmax(0,1fr)}
    .walk .list{max-height:26rem;overflow:auto;border:1px solid var(--line);border-radius:6px;padding:.4rem}
    .walk svg{display:block}.walk a{cursor:pointer}.walk a:focus{outline:none}
    .walk a .hit{fill:transparent}.walk a:hover .hit{fill:var(--soft)}
    .walk a:focus .hit,.walk a[aria-current] .hit{fill:var(--soft);stroke:var(--link);stroke-width:2}
    .panel{border:1px solid var(--line);border-radius:6px;padding:.6rem .9rem;font-size:.9rem}.panel h3{margin:.1rem 0 .5rem;
    overflow-wrap:anywhere}
    .panel dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.15rem .9rem;margin:0}.panel dt{color:var(--muted)}
    .panel dd{margin:0;overflow-wrap:anywhere}
    @media (min-width:60rem){.walk{grid-template-columns:25rem minmax(0,1fr)}.walk .list{max-height:36rem}}
    .row{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-size:.8rem;max-width:9rem;
    overflow-wrap:anywhere;color:var(--muted)}
    .pictures img{image-rendering:pixelated;width:128px;height:auto;display:block}
    summary{cursor:pointer;margin:.6rem 0;color:var(--link)}
    .sheet{margin:0 0 1.6rem}.sheet img{width:96px;height:auto;display:block;border:4px solid var(--quiet)}
    .sheet .hit img{border-color:var(--good)}.sheet .miss img{border:4px dashed var(--bad)}
    footer{margin-top:2.5rem;padding-top:.6rem;border-top:1px solid var(--line);font-size:.85rem;color:var(--muted)}
    @media (max-width:40rem){.facts{table-layout:fixed}.facts th{width:7.5rem;overflow-wrap:anywhere}}
    @media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
    @media print{@page{margin:14mm 12mm}html{font-size:12px}body{max-width:none;padding:0;font-size:9pt}
    .walk{display:block}.scroll,.walk .list{overflow:visible;max-height:none}.walk .list{border:0}.panel{display:none}
    .dense{font-size:6.5pt}.dense td,.dense th{padding:.15rem .2rem}.numbers th,.numbers td{white-space:normal}
    .numbers .wide{min-width:4rem}.numbers tbody th[scope=row]{overflow-wrap:anywhere;min-width:5rem}
    th button::after{content:none !important}
    h2,h3{break-after:avoid}tr,figure,.tiles div,.warning{break-inside:avoid}
    .badge{border:1px solid;color:var(--fg);background:none !important}}
    """

  /// The hash of `style` as content security policies state it.
  package static let styleHash = "sha256-cTz5IX9w5DTkd4RrHNrSG5OHf33FYIr8ErfYL8J4vg8="
}
