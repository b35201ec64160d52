/** Rises at most once in `ms` while what `watched` reads changes: messages come faster than eyes. */
export function beat(watched: () => unknown, ms: number): { readonly count: number } {
  let count = $state(0);
  let timer = 0;
  $effect(() => {
    watched();
    if (timer !== 0) return;
    timer = window.setTimeout(() => {
      timer = 0;
      count++;
    }, ms);
  });
  $effect(() => () => clearTimeout(timer));
  return {
    get count() {
      return count;
    },
  };
}
