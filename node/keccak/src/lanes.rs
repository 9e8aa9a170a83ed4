//! The sponge in each lane (FIPS 202, section 4, with the padding of Keccak's first submission, as Ethereum took it): a lane that is
//! done with a message takes the next one. It must not know how the processor permutes.

use crate::permutation::{Vectors, WORDS};
use alloy_primitives::B256;
use pulp::{
    bytemuck::{self, Pod},
    x86::{V3, V4},
};
use std::sync::OnceLock;

/// Bytes a permutation takes in.
const RATE: usize = 136;

/// The widest vectors of this processor.
#[derive(Clone, Copy)]
enum Widest {
    Eight(V4),
    Four(V3),
    None,
}

fn widest() -> Widest {
    static WIDEST: OnceLock<Widest> = OnceLock::new();
    *WIDEST.get_or_init(|| {
        let four = || V3::try_new().map_or(Widest::None, Widest::Four);
        V4::try_new().map_or_else(four, Widest::Eight)
    })
}

/// Messages at a time.
pub(crate) fn count() -> usize {
    match widest() {
        Widest::Eight(_) => 8,
        Widest::Four(_) => 4,
        Widest::None => 1,
    }
}

/// Fewer messages are quicker one by one than in four lanes, which take half as long again as one.
const FEW: usize = 2;

/// Hashes all of the messages, or none where the processor has no lanes or they would not gain.
pub(crate) fn hash<'m>(messages: &mut impl Iterator<Item = (usize, &'m [u8])>, hashed: &mut impl FnMut(usize, B256)) {
    match widest() {
        Widest::Eight(vectors) => Sponges::<V4, 8>::new(vectors).run(messages, hashed),
        Widest::Four(_) if messages.size_hint().1.is_some_and(|most| most < FEW) => {}
        Widest::Four(vectors) => Sponges::<V3, 4>::new(vectors).run(messages, hashed),
        Widest::None => {}
    }
}

/// A message on its way through a lane.
struct Message<'m> {
    index: usize,
    /// What is left of it.
    rest: &'m [u8],
    /// Whether its padding is in.
    is_padded: bool,
}

pub(crate) struct Sponges<'m, S: Vectors, const LANES: usize> {
    vectors: S,
    /// A word of all lanes, and then the next one.
    states: [S::Vector; WORDS],
    lanes: [Option<Message<'m>>; LANES],
}

impl<'m, S: Vectors<Vector: Pod>, const LANES: usize> Sponges<'m, S, LANES> {
    pub(crate) fn new(vectors: S) -> Self {
        Self { vectors, states: [vectors.splat(0); WORDS], lanes: std::array::from_fn(|_| None) }
    }

    pub(crate) fn run(
        mut self,
        messages: &mut impl Iterator<Item = (usize, &'m [u8])>,
        hashed: &mut impl FnMut(usize, B256),
    ) {
        loop {
            let mut busy = 0;
            for lane in 0..LANES {
                if self.lanes[lane].is_none() {
                    self.lanes[lane] = messages.next().map(|(index, rest)| Message { index, rest, is_padded: false });
                }
                busy += usize::from(self.lanes[lane].is_some());
            }
            if busy == 0 {
                return;
            }
            (0..LANES).for_each(|lane| self.absorb(lane));
            self.vectors.permute(&mut self.states);
            (0..LANES).for_each(|lane| self.squeeze(lane, hashed));
        }
    }

    /// The words of one lane.
    fn words(&mut self, lane: usize) -> impl Iterator<Item = &mut u64> {
        // Vectors are whole numbers of words, and stricter in alignment: it cannot fail.
        bytemuck::cast_slice_mut::<_, u64>(&mut self.states).iter_mut().skip(lane).step_by(LANES)
    }

    /// Takes in what fits of a lane's message.
    fn absorb(&mut self, lane: usize) {
        let Some(message) = &mut self.lanes[lane] else { return };
        let mut last = [0; RATE];
        let block = match message.rest.split_first_chunk::<RATE>() {
            Some((block, rest)) => {
                message.rest = rest;
                block
            }
            None => {
                last[..message.rest.len()].copy_from_slice(message.rest);
                last[message.rest.len()] = 0x01;
                last[RATE - 1] |= 0x80;
                message.is_padded = true;
                &last
            }
        };
        let (block, _) = block.as_chunks::<8>();
        for (word, bytes) in self.words(lane).zip(block) {
            *word ^= u64::from_le_bytes(*bytes);
        }
    }

    /// Tells the hash of a lane's message if all of it is in, and makes room for another.
    fn squeeze(&mut self, lane: usize, hashed: &mut impl FnMut(usize, B256)) {
        let Some(message) = self.lanes[lane].take_if(|message| message.is_padded) else { return };
        let mut hash = B256::ZERO;
        for (bytes, word) in hash.as_chunks_mut::<8>().0.iter_mut().zip(self.words(lane)) {
            *bytes = word.to_le_bytes();
        }
        self.words(lane).for_each(|word| *word = 0);
        hashed(message.index, hash);
    }
}
