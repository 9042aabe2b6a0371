import createClient, { type Middleware } from "openapi-fetch";
import { address, BASE } from "../base/address";
import type { components, paths } from "../gen/api";
import type { RunOut } from "../gen/socket";
import type { FetchRun } from "./socket";

type Schemas = components["schemas"];
export type Me = Schemas["Me"];
export type Run = Schemas["RunOut"];
export type Method = Schemas["MethodOut"];
export type Example = Schemas["ExampleOut"];
export type Model = Schemas["ModelOut"];
export type ModelFacts = Schemas["ModelFacts"];
export type Problem = Schemas["ErrorOut"];
export type Upload = Schemas["UploadOut"];

/** A refusal by the server, or the lack of an answer, with what to do about it. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

const UNREACHABLE: Problem = {
  code: "unreachable",
  message: "The server cannot be reached.",
  remedy: "Check that it is running (make run) and that the network is up; then try again.",
  field: null,
};

export const csrfToken = () => /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1];

/** Django wants the cookie's token repeated in a header on whatever changes something. */
const csrf: Middleware = {
  onRequest({ request }) {
    const token = csrfToken();
    if (token && request.method !== "GET") request.headers.set("X-CSRFToken", token);
    return request;
  },
};

export const client = createClient<paths>({
  baseUrl: location.origin + BASE,
  credentials: "same-origin",
  fetch: (request) => fetch(request),
});
client.use(csrf);

interface Answer<Data> {
  data?: Data;
  error?: unknown;
  response: Response;
}

export async function unwrap<Data>(answer: Promise<Answer<Data>>): Promise<Data> {
  try {
    return await answered(answer);
  } catch (error) {
    if (problemOf(error).code === "login_required") goToLogin();
    throw error;
  }
}

/** The same, without going to the login. */
export async function answered<Data>(answer: Promise<Answer<Data>>): Promise<Data> {
  const { data, error, response } = await answer.catch(() => {
    throw new ApiError(UNREACHABLE);
  });
  if (response.ok) return data as Data;
  throw new ApiError(asProblem(error, response));
}

/** The session ended; after the login the same address opens again. */
export function goToLogin(): void {
  location.assign(
    `${address("/login")}?next=${encodeURIComponent(location.pathname + location.search)}`,
  );
}

function asProblem(error: unknown, response: Response): Problem {
  if (error && typeof error === "object" && "message" in error && "remedy" in error) {
    return error as Problem;
  }
  return {
    code: `http_${response.status}`,
    message: `The server answered ${response.status} ${response.statusText}.`,
    remedy: "Try again; the server's log says more.",
    field: null,
  };
}

export const listMethods = () => unwrap(client.GET("/api/methods"));
export const listModels = () => unwrap(client.GET("/api/models"));
export const getModel = (id: string) =>
  unwrap(client.GET("/api/models/{model_id}", { params: { path: { model_id: id } } }));
export const startRun = (run: Schemas["RunIn"]) => unwrap(client.POST("/api/runs", { body: run }));
/** One's own, or those of a session; latest first. */
export const listRuns = (limit = 100, session?: string) =>
  unwrap(client.GET("/api/runs", { params: { query: { limit, session } } }));

/** All events of a run's latest attempt, in order. */
export async function listEvents(id: string): Promise<{ kind: string }[]> {
  const found: { kind: string }[] = [];
  for (let after = 0, more = true; more;) {
    const path = { params: { path: { run_id: id }, query: { after } } };
    const page = await unwrap(client.GET("/api/runs/{run_id}/events", path));
    found.push(...page.events.map(({ event }) => event as { kind: string }));
    after = page.events.at(-1)?.seq ?? after;
    ({ more } = page);
  }
  return found;
}
export const getRun = (id: string) =>
  unwrap(client.GET("/api/runs/{run_id}", { params: { path: { run_id: id } } }));

/** A run and the events of its newest attempt that follow `after` of `attempt`. */
export const fetchRun: FetchRun = async (id, attempt, after) => {
  const run = await getRun(id);
  const query = { attempt: run.attempt, after: run.attempt === attempt ? after : 0 };
  const path = { params: { path: { run_id: id }, query } };
  const page = await unwrap(client.GET("/api/runs/{run_id}/events", path));
  const of = { type: "event" as const, run: id, attempt: page.attempt };
  return { run: run as RunOut, events: page.events.map((event) => ({ ...of, ...event })) };
};
export const cancelRun = (id: string) =>
  unwrap(client.POST("/api/runs/{run_id}/cancel", { params: { path: { run_id: id } } }));
export const deleteRun = (id: string) =>
  unwrap(client.DELETE("/api/runs/{run_id}", { params: { path: { run_id: id } } }));

/** Asking who one is sends nobody to the login. */
export const getMe = () => answered(client.GET("/api/me"));
export const listWorkers = () => unwrap(client.GET("/api/worker"));

export const listPictures = () => unwrap(client.GET("/api/pictures"));
export const deletePicture = (sha256: string) =>
  unwrap(client.DELETE("/api/pictures/{sha256}", { params: { path: { sha256 } } }));
export const pictureAddress = (sha256: string) =>
  address(`/api/pictures/${encodeURIComponent(sha256)}.png`);
const LARGEST = 20_000_000;

/** The file itself is the request's body; a larger one would be cut off before it is answered. */
export async function uploadPicture(file: Blob): Promise<Upload> {
  if (file.size > LARGEST) throw new ApiError(tooLarge(file.size));
  const body = file as unknown as never;
  return unwrap(
    client.POST("/api/pictures", { body, bodySerializer: (given: unknown) => given as BodyInit }),
  );
}

const tooLarge = (size: number): Problem => ({
  code: "picture_too_large",
  message: `The file has ${size} bytes; the limit is ${LARGEST}.`,
  remedy: "Save the picture smaller, or as JPEG.",
  field: null,
});

export const fetchArtifact = (sha256: string) => fetchBytes(`/api/artifacts/${sha256}`);
export const fetchPicture = (sha256: string) => fetchBytes(`/api/artifacts/${sha256}.png`);

async function fetchBytes(path: string): Promise<ArrayBuffer> {
  const response = await fetch(address(path), { credentials: "same-origin" });
  if (!response.ok) throw new ApiError(asProblem(null, response));
  return response.arrayBuffer();
}

/** Whatever was thrown, as something to show. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  const message = error instanceof Error ? error.message : String(error);
  return { code: "page", message, remedy: "Reload the page.", field: null };
}
