// The page's own pictures: strokes on a grid of 20 by 20.

const PATHS = {
  hash: "M7.5 3 6 17M14 3l-1.500 14M3.500 7.500h13.500M3 12.500h13.500",
  lock: "M5 9h10v7.500H5zM7 9V6.500a3 3 0 0 1 6 0V9",
  send: "M3 10 17 4l-4.500 13-3-5.500zM9.500 11.500 17 4",
  plus: "M10 4v12M4 10h12",
  cross: "M5 5l10 10M15 5 5 15",
  back: "M12 4 6 10l6 6",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  reply: "M4 4h12v9H9l-4 3.500V13H4z",
  pin: "M8 3h4l-.5 5 2.500 3H6l2.500-3zM10 11v6",
  bookmark: "M6 3h8v14l-4-3-4 3z",
  smile: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7 12c1.500 2 4.500 2 6 0M7.500 8h.01M12.500 8h.01",
  eye: "M2 10c3.500-6 12.500-6 16 0-3.500 6-12.500 6-16 0zM10 12.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z",
  warning: "M10 3 2.500 16.500h15zM10 8v4M10 14.300h.01",
  file: "M5 2.500h6.500L15 6v11.500H5zM11.500 2.500V6H15M7.500 10h5M7.500 13h5",
  download: "M10 3v9M6 8.500l4 4 4-4M4 16.500h12",
  people: "M7.500 9.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.500 16.500c0-6 10-6 10 0M13 9.500a2.500 2.500 0 0 0 0-5M14.500 11.500c2 .5 3 2 3 5",
  play: "M6 4l10 6-10 6z",
  next: "M5 4l7 6-7 6zM15 4v12",
  stop: "M5.500 5.500h9v9h-9z",
  film: "M3 4.500h14v11H3zM6.500 4.500v11M13.500 4.500v11M3 8.200h3.500M3 11.800h3.500M13.500 8.200H17M13.500 11.800H17",
  sun: "M10 13.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM10 1.500v2M10 16.500v2M1.500 10h2M16.500 10h2M4 4l1.400 1.400M14.600 14.600 16 16M16 4l-1.400 1.400M5.400 14.600 4 16",
  moon: "M16 12A7 7 0 0 1 8 4a6.500 6.500 0 1 0 8 8z",
  bolt: "M11 2 4 11.500h5L8.500 18 16 8.500h-5z",
  pencil: "M4 16l1-4 8.500-8.500 3 3L8 15zM11.500 5.500l3 3",
  trash: "M4 6h12M8 6V3.500h4V6M5.500 6l1 11h7l1-11",
  link: "M8.500 11.500a3 3 0 0 0 4.500 0l3-3a3 3 0 0 0-4.500-4.500l-1 1M11.500 8.500a3 3 0 0 0-4.500 0l-3 3a3 3 0 0 0 4.500 4.500l1-1",
  home: "M3 9.500 10 3.500l7 6V17h-5v-4.500H8V17H3z",
  down: "M10 4v12M5 11l5 5 5-5",
  check: "M4 10.500 8 15l8-10",
  slash: "M13 3 7 17",
  bold: "M6 4h5a3 3 0 0 1 0 6H6zM6 10h6a3 3 0 0 1 0 6H6z",
  italic: "M9 4h6M5 16h6M12 4 8 16",
  strike: "M3 10h14M14 6.500c-1-3.500-8-3.500-8 0 0 1.500 1 2.500 3 3M6 13.500c1 3.500 8 3.500 8 0 0-.5 0-1-.5-1.500",
  code: "M7 5.500 2.500 10 7 14.500M13 5.500l4.500 4.500-4.500 4.500",
  numbers: "M9 5h8M9 10h8M9 15h8M3 4.500 4.500 3.500V8M3 12.500h2.500L3 16.500h2.500",
  bullets: "M8 5h9M8 10h9M8 15h9M4 5h.01M4 10h.01M4 15h.01",
  quote: "M4 4v12M8 6h9M8 10h9M8 14h6",
  block: "M2.500 4h15v12h-15zM8 7.500 5.500 10 8 12.500M12 7.500l2.500 2.500-2.500 2.500",
  leave: "M8 3.500H4v13h4M12.500 6 17 10l-4.500 4M17 10H8",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon icon-${name}`);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name] ?? PATHS.more);
  svg.append(path);
  return svg;
}
