import torch

from voxray.train import FoldSeed

SEED = FoldSeed(1, 0, 2)


def first_draws(seed, epoch):
    seed.seed_process(epoch)
    return (
        seed.numpy(epoch).random(),
        float(torch.rand(1, generator=seed.torch(epoch))),
        float(torch.rand(1)),
    )


def test_the_same_name_gives_the_same_streams():
    assert first_draws(SEED, 3) == first_draws(FoldSeed(1, 0, 2), 3)


def test_every_part_of_the_name_counts_in_every_stream():
    others = [FoldSeed(2, 0, 2), FoldSeed(1, 1, 2), FoldSeed(1, 0, 3)]
    draws = [first_draws(SEED, 0), first_draws(SEED, 1)]
    draws += [first_draws(other, 0) for other in others]
    for stream in zip(*draws, strict=True):
        assert len(set(stream)) == len(draws)


def test_streams_of_one_epoch_differ():
    assert len(set(first_draws(SEED, 0))) == 3
