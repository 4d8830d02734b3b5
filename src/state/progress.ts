// Progress of long work, for progress bars. Called often; must be quick and must not throw.

export interface StateProgress {
  readonly phase: 'restore' | 'checkpoint' | 'compact' | 'verify';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export type Progress = (progress: StateProgress) => void;
