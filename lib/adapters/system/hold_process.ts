import { clearInterval, setInterval } from "node:timers";

/**
 * Keeps the process alive until the returned function is called: sleeps of the system clock do not.
 *
 * @returns Gives the process free; calling it again does nothing.
 */
export function holdProcess(): () => void {
  const timer = setInterval(() => {}, 0x7fff_ffff);
  return () => clearInterval(timer);
}
