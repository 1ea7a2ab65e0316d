// Questions to this page's own server; every failure is an Error whose text says what next.

const PATIENCE = 20_000; // milliseconds

export async function ask(path, signal) {
  let answer;
  try {
    answer = await fetch(path, { signal: AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])]) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("the server of these pages does not answer; next: lab dashboards", { cause: error });
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `the server of these pages says ${answer.status}`);
  return body;
}
