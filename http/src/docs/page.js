// Shows /openapi.json, and sends requests. Text reaches the page only as text, never as HTML.

const token = document.getElementById("token");
token.value = sessionStorage.getItem("token") ?? "";
token.addEventListener("input", () => sessionStorage.setItem("token", token.value));

/** An element with these properties and children. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Paragraphs and lists of a comment, with `code` in it. */
function prose(text = "") {
  return text.split("\n\n").filter(Boolean).map((paragraph) => {
    const lines = paragraph.split("\n").map((line) => element("span", {}, ...coded(line), element("br")));
    return element("p", {}, ...lines);
  });
}

function coded(line) {
  return line.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

const api = await (await fetch("/openapi.json")).json();

function resolve(schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? api.components.schemas[name] : schema;
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  return schema.enum ? schema.enum.join(" | ") : (schema.format ?? schema.type);
}

/** A value to begin with: what is required. */
function example(schema, depth = 0) {
  const found = resolve(schema);
  if (found.enum) return found.enum[1] ?? found.enum[0];
  if (found.type === "array") return depth < 3 ? [example(found.items, depth + 1)] : [];
  if (found.type === "object") {
    const names = found.required ?? [];
    return Object.fromEntries(names.map((name) => [name, example(found.properties[name], depth + 1)]));
  }
  return { boolean: false, integer: 0, number: 0 }[found.type] ?? "";
}

function fields(schema, heading) {
  const found = resolve(schema);
  const item = found.type === "array" ? resolve(found.items) : found;
  const rows = Object.entries(item.properties ?? {}).map(([name, field]) => {
    const notes = [typeOf(field)];
    if (item.required?.includes(name)) notes.push("required");
    if (field.readOnly) notes.push("output only");
    const type = element("span", { className: "type" }, notes.join(", "));
    return element("tr", {}, element("td", {}, element("code", {}, name), element("br"), type),
      element("td", {}, ...prose(field.description)));
  });
  if (!rows.length) return [];
  const title = element("summary", {}, heading);
  return [element("details", {}, title, element("table", {}, ...rows))];
}

function show(path, verb, operation) {
  const inputs = operation.parameters.map((parameter) => {
    const input = element("input", { name: parameter.name, size: 40 });
    const required = parameter.required ? ", required" : "";
    const note = `${parameter.in}, ${typeOf(parameter.schema)}${required}`;
    const label = element("label", {}, element("code", {}, parameter.name), element("br"), input);
    const type = element("span", { className: "type" }, note);
    const row = element("tr", {}, element("td", {}, label, element("br"), type),
      element("td", {}, ...prose(parameter.description)));
    return { parameter, input, row };
  });
  const schema = operation.requestBody?.content["application/json"].schema;
  const start = schema ? JSON.stringify(example(schema), null, 2) : "";
  const body = element("textarea", { value: start, spellcheck: false, ariaLabel: "Body" });
  const output = element("pre", { hidden: true });
  const send = element("button", { type: "button" }, "Send");
  send.addEventListener("click", async () => {
    send.disabled = true;
    output.textContent = await answer(path, verb, inputs, schema && body.value).catch(String);
    output.hidden = false;
    send.disabled = false;
  });
  const errors = Object.entries(operation.responses).filter(([status]) => status !== "200");
  const rows = errors.map(([status, response]) =>
    element("tr", {}, element("td", {}, status), element("td", {}, ...prose(response.description))));
  const content = operation.responses["200"].content["application/json"].schema;
  return element("details", { className: "operation", id: operation.operationId },
    element("summary", {}, element("span", { className: `verb ${verb}` }, verb.toUpperCase()),
      element("code", {}, path), ` ${operation.summary}`),
    element("div", {}, ...prose(operation.description),
      element("table", {}, ...inputs.map(({ row }) => row)),
      ...(schema ? [body, ...fields(schema, "Fields of the body")] : []),
      ...fields(content, "Fields of the response"),
      element("details", {}, element("summary", {}, "Errors"), element("table", {}, ...rows)),
      element("p", {}, send), output));
}

/** Sends the request and returns the response as text. */
async function answer(path, verb, inputs, body) {
  const url = new URL(location.origin);
  url.pathname = path;
  let route = path;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") {
      route = route.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (input.value) {
      const values = parameter.schema.type === "array" ? input.value.split(",") : [input.value];
      for (const value of values) url.searchParams.append(parameter.name, value.trim());
    }
  }
  const headers = {};
  if (token.value) headers.authorization = `Bearer ${token.value.trim()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(route + url.search, { method: verb.toUpperCase(), headers, body });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    return `${response.status}\n${text}`;
  }
  if (json.tokens?.accessToken) {
    token.value = json.tokens.accessToken;
    sessionStorage.setItem("token", token.value);
  }
  return `${response.status} ${response.headers.get("x-request-id") ?? ""}\n${JSON.stringify(json, null, 2)}`;
}

document.title = api.info.title;
document.getElementById("title").textContent = api.info.title;
document.getElementById("about").append(...prose(api.info.description));
const operations = Object.entries(api.paths).flatMap(([path, verbs]) =>
  Object.entries(verbs).map(([verb, operation]) => ({ path, verb, operation })));
const sections = api.tags.flatMap(({ name, description }, i) => {
  const own = operations.filter(({ operation }) => operation.tags.includes(name));
  const head = i ? [element("h2", {}, name), ...prose(description)] : [];
  return [...head, ...own.map(({ path, verb, operation }) => show(path, verb, operation))];
});
document.getElementById("operations").replaceChildren(...sections);
