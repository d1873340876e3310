//! A mesh in one thread: the event queue, the simulated time, and the peers' processes.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use peer::store::StoreError;
use peer_engine::change::Verified;
use peer_engine::engine::{CommandError, Effect, Engine, Event, Settings, Status};
use peer_engine::id::{ChangeHash, GroupId, MeshId};
use peer_engine::identity::Identity;
use peer_engine::sync::LinkId;
use peer_engine::time::{Now, Timestamp};

use crate::disk::{Disk, SimStore};
use crate::faults::{Fault, Plant, plan};
use crate::network::Wire;
use crate::options::Options;
use crate::record::Record;
use crate::rng::Rng;
use crate::workload::{Command, Say};

/// The wall clock of the simulation at its start.
const EPOCH_MS: i64 = 1_760_000_000_000;

/// A run of more steps counts as endless.
const STEPS_MAX: u64 = 6_000_000;

#[derive(Debug)]
pub enum Happening {
    Start {
        peer: usize,
    },
    /// The process handles what has arrived, and commits.
    Work {
        peer: usize,
        boot: u32,
    },
    Alarm {
        peer: usize,
        boot: u32,
        at_us: u64,
    },
    Connect {
        from: usize,
        boot: u32,
        to: peer_engine::id::PeerId,
        address: String,
    },
    Arrive {
        link: LinkId,
        end: usize,
        what: Arrival,
    },
    /// A slow reader reads the next frame that waits for it.
    Read {
        link: LinkId,
        end: usize,
    },
    /// Checks what must hold at all times.
    Inspect,
    Fault(Fault),
    Say(Say),
}

#[derive(Debug)]
pub enum Arrival {
    Up,
    /// With its number among all frames sent in this direction.
    Frame(u64, Vec<u8>),
    Down,
}

/// An input of a process.
pub enum Input {
    Event(Event),
    Command(Command),
}

pub struct Peer {
    pub identity: Identity,
    pub address: String,
    pub disk: Rc<RefCell<Disk>>,
    pub engine: Option<Engine<SimStore>>,
    pub boot: u32,
    boot_us: u64,
    pub skew_ms: i64,
    pub stamp: u8,
    /// Has run at least once.
    pub started: bool,
    /// Will never run again.
    pub gone: bool,
    inbox: VecDeque<Input>,
    working: bool,
    alarm_us: Option<u64>,
    pub backup: Option<Disk>,
    /// Was restored from a backup that lacks some entries that it had acknowledged.
    pub may_lack: bool,
}

pub struct World {
    pub options: Options,
    pub rng: Rng,
    pub now_us: u64,
    pub mesh: MeshId,
    pub peers: Vec<Peer>,
    pub wires: BTreeMap<LinkId, Wire>,
    /// A member that violates the protocol.
    pub rogue: Option<usize>,
    /// Pairs that cannot reach each other, and until when.
    pub blocked: BTreeMap<(usize, usize), u64>,
    /// Peers that read slowly: until when, and how many bytes a second from each link; 0 is nothing at all.
    pub reading: BTreeMap<usize, (u64, u64)>,
    pub dials_open: u64,
    pub record: Record,
    pub plant: Plant,
    /// Commands given.
    pub commands: u64,
    /// Caches checked signatures, so that each change is verified once and not once per peer.
    pub verified: HashMap<(GroupId, ChangeHash), Verified>,
    agenda: BTreeMap<(u64, u64), Happening>,
    order: u64,
    steps: u64,
}

impl World {
    /// A mesh in which everything that happens follows from the seed.
    pub fn new(options: Options, plant: Plant) -> Self {
        let mut world = Self::idle(options, plant);
        world.start_later(0, 0);
        for peer in 1..world.options.peers {
            let late = world.options.fault_ms * 500;
            let at_us = if world.rng.chance(70) {
                world.rng.between(0, 1_000_000)
            } else {
                world.rng.between(0, late)
            };
            world.start_later(peer, at_us);
        }
        let faults = plan(&world.options, &mut world.rng);
        for (at_us, fault) in faults {
            world.at(at_us, Happening::Fault(fault));
        }
        world.plan_work();
        world.at(1_000_000, Happening::Inspect);
        world
    }

    /// A mesh in which nobody has started and nothing is planned.
    pub fn idle(options: Options, plant: Plant) -> Self {
        let mut rng = Rng::new(options.seed);
        let peers = (0..options.peers).map(|index| Peer::new(index, &options, plant, &mut rng)).collect();
        Self {
            now_us: 0,
            mesh: MeshId([0x51; 16]),
            peers,
            wires: BTreeMap::new(),
            rogue: options.rogue.then(|| options.peers - 1),
            blocked: BTreeMap::new(),
            reading: BTreeMap::new(),
            dials_open: 0,
            record: Record::default(),
            plant,
            commands: 0,
            verified: HashMap::new(),
            agenda: BTreeMap::new(),
            order: 0,
            steps: 0,
            options,
            rng,
        }
    }

    pub fn at(&mut self, at_us: u64, happening: Happening) {
        self.order += 1;
        self.agenda.insert((at_us.max(self.now_us), self.order), happening);
    }

    pub fn start_later(&mut self, peer: usize, in_us: u64) {
        self.at(self.now_us + in_us, Happening::Start { peer });
    }

    /// Runs all events up to this time.
    pub fn run_until(&mut self, until_us: u64) {
        while let Some((&(at_us, _), _)) = self.agenda.first_key_value() {
            if at_us > until_us || self.record.failure.is_some() {
                break;
            }
            let Some((_, happening)) = self.agenda.pop_first() else { break };
            self.now_us = at_us;
            self.steps += 1;
            if self.steps > STEPS_MAX {
                self.record.fail(format!("endless: still busy after {STEPS_MAX} steps"));
            }
            self.happen(happening);
        }
        self.now_us = self.now_us.max(until_us);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start { peer } => self.start(peer),
            Happening::Work { peer, boot } if self.peers[peer].boot == boot => self.work(peer),
            Happening::Alarm { peer, boot, at_us }
                if self.peers[peer].boot == boot && self.peers[peer].alarm_us == Some(at_us) =>
            {
                self.peers[peer].alarm_us = None;
                self.tell(peer, Event::Tick);
            }
            Happening::Work { .. } | Happening::Alarm { .. } => {}
            Happening::Connect { from, boot, to, address } => self.connect(from, boot, to, address),
            Happening::Arrive { link, end, what } => self.come(link, end, what),
            Happening::Read { link, end } => self.read_next(link, end),
            Happening::Inspect => {
                self.inspect();
                let peers = self.peers.len() as u64;
                self.at(self.now_us + 1_000_000.max(100_000 * peers), Happening::Inspect);
            }
            Happening::Fault(fault) => {
                self.record.trace.add(&format!("{fault:?}"));
                self.record.say(self.now_us, || format!("{fault:?}"));
                self.suffer(fault);
            }
            Happening::Say(say) => self.say(say),
        }
    }

    pub fn now(&self, peer: usize) -> Now {
        let peer = &self.peers[peer];
        let wall = EPOCH_MS + (self.now_us / 1000) as i64 + peer.skew_ms;
        Now { wall: Timestamp::clamped(wall), ticks_us: self.now_us - peer.boot_us }
    }

    fn start(&mut self, index: usize) {
        let seed = random_bytes(&mut self.rng);
        let peer = &mut self.peers[index];
        if peer.gone || peer.engine.is_some() {
            return;
        }
        peer.boot_us = self.now_us;
        let settings = Settings {
            identity: peer.identity.clone(),
            mesh: self.mesh,
            writer_stamp: [peer.stamp; 32],
            seed,
        };
        match Engine::new(SimStore(peer.disk.clone()), settings) {
            Ok(engine) => peer.engine = Some(engine),
            Err(StoreError::Full) => return self.start_later(index, 500_000),
            Err(error) => return self.record.fail(format!("peer {index} does not start: {error}")),
        }
        self.record.say(self.now_us, || format!("{index} starts"));
        if let Some(lost) = self.peers[index].disk.borrow().lost() {
            self.record.fail(format!("peer {index} starts without {lost}, which was durable"));
        }
        let first = !std::mem::replace(&mut self.peers[index].started, true);
        self.tell(index, Event::Tick);
        self.settle_in(index, first);
    }

    /// The process dies. Everything that it had not committed is lost.
    pub fn crash(&mut self, index: usize) {
        self.record.say(self.now_us, || format!("{index} dies"));
        let (now, peer) = (self.now(index), &mut self.peers[index]);
        // Every other process stops in order, and continues with its actors when it starts again.
        if let Some(engine) = peer.engine.as_mut().filter(|_| peer.boot % 2 == 1) {
            // If the disk is full or fails, the stop counts as a crash.
            let _ = engine.keep_writers().and_then(|()| engine.commit(now));
        }
        peer.engine = None;
        peer.boot += 1;
        peer.inbox.clear();
        peer.working = false;
        peer.alarm_us = None;
        if let Err(error) = peer.disk.borrow_mut().crash() {
            self.record.fail(format!("peer {index} left what cannot be opened: {error}"));
        }
        if self.plant == Plant::DropRow {
            crate::teeth::drop_row(self.mesh, &mut peer.disk.borrow_mut());
        }
        self.record.ahead.retain(|(shown_by, _)| *shown_by != index);
        self.lose_process(index);
    }

    pub fn tell(&mut self, index: usize, event: Event) {
        self.put_in(index, Input::Event(event));
    }

    /// Queues an input for the process.
    pub fn put_in(&mut self, index: usize, input: Input) {
        let delay = self.rng.between(10, self.options.commit_us_max);
        let peer = &mut self.peers[index];
        if peer.engine.is_none() {
            return;
        }
        peer.inbox.push_back(input);
        if !std::mem::replace(&mut peer.working, true) {
            let boot = peer.boot;
            self.at(self.now_us + delay, Happening::Work { peer: index, boot });
        }
    }

    fn work(&mut self, index: usize) {
        let now = self.now(index);
        let peer = &mut self.peers[index];
        peer.working = false;
        let inputs = std::mem::take(&mut peer.inbox);
        let Some(mut engine) = peer.engine.take() else { return };
        let (mut result, mut answers) = (Ok(()), Vec::new());
        for input in inputs {
            result = result.and_then(|()| match input {
                Input::Event(event) => engine.handle(event, now),
                Input::Command(command) => {
                    let answer = match command(&mut engine, now) {
                        Err(CommandError::Store(error)) => return Err(error),
                        Err(CommandError::Refused(refusal)) => Err(refusal),
                        Ok(done) => Ok(done),
                    };
                    answers.push(answer);
                    Ok(())
                }
            });
        }
        match result.and_then(|()| engine.commit(now)) {
            Ok(()) => {}
            Err(StoreError::Full) => {
                self.crash(index);
                return self.start_later(index, 500_000);
            }
            Err(error) => return self.record.fail(format!("peer {index} failed: {error}")),
        }
        let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll_effect()).collect();
        let alarm_us = engine.next_timeout_us().map(|ticks_us| peer.boot_us + ticks_us);
        peer.engine = Some(engine);
        if let Some(at_us) = alarm_us
            && peer.alarm_us != alarm_us
        {
            peer.alarm_us = alarm_us;
            let boot = peer.boot;
            self.at(at_us, Happening::Alarm { peer: index, boot, at_us });
        }
        for effect in effects {
            self.perform(index, effect);
        }
        for answer in answers {
            self.answered(index, answer);
        }
        if self.plant == Plant::Chatter {
            crate::teeth::chatter(self, index);
        }
    }

    fn perform(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Send { link, frame } => self.send(index, link, &frame),
            Effect::Close { link, code } => self.close(index, link, code),
            Effect::Dial { peer, address } => self.dial(index, peer, address),
            Effect::Preview { group, changes, .. } => self.see_ahead(index, group, &changes),
            Effect::PreviewOver { group } => self.see_ahead_end(index, group),
            Effect::Stored { .. } | Effect::Changed => {}
        }
    }

    /// Reads the status of a running engine, without an event.
    pub fn ask_status(&mut self, index: usize) -> Option<Status> {
        let now = self.now(index);
        let engine = self.peers[index].engine.as_mut()?;
        let status = engine.status(now).ok()?;
        engine.commit(now).ok()?;
        let effects: Vec<Effect> = std::iter::from_fn(|| engine.poll_effect()).collect();
        for effect in effects {
            self.perform(index, effect);
        }
        Some(status)
    }

    pub fn running(&self) -> Vec<usize> {
        (0..self.peers.len()).filter(|&index| self.peers[index].engine.is_some()).collect()
    }
}

impl Peer {
    fn new(index: usize, options: &Options, plant: Plant, rng: &mut Rng) -> Self {
        let skew_max = options.skew_ms_max as i64;
        let identity = Identity::from_seed(&random_bytes(rng));
        let disk = match options.sqlite {
            true => Disk::in_a_file(identity.peer(), plant).expect("a new database"),
            false => Disk::in_memory(plant),
        };
        Self {
            identity,
            address: format!("10.0.0.{}:4040", index + 1),
            disk: Rc::new(RefCell::new(disk)),
            engine: None,
            boot: 0,
            boot_us: 0,
            skew_ms: rng.between(0, 2 * options.skew_ms_max) as i64 - skew_max,
            stamp: 0,
            started: false,
            gone: false,
            inbox: VecDeque::new(),
            working: false,
            alarm_us: None,
            backup: None,
            may_lack: false,
        }
    }
}

fn random_bytes(rng: &mut Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&rng.next().to_le_bytes());
    }
    bytes
}
